"""Build a network from a name, from the import path of a factory, or with a callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn

from deepgum.checks import check_choice
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.models.expectation import DeepExpectation
from deepgum.models.facenet import FaceNet
from deepgum.models.lazy import initialise
from deepgum.models.mlp import MLP
from deepgum.models.packages import LITE0, build_packaged, is_packaged
from deepgum.models.regressor import Regressor
from deepgum.models.table_inputs import TableInputs
from deepgum.models.vgg import VGG16
from deepgum.plugins import PACKAGES, import_path, is_path

__all__ = ["HEADS", "MODELS", "Backbone", "build_backbone", "build_model"]

Backbone: TypeAlias = Callable[[RegressionData, int], nn.Module]
"""A function of the data and `n_outputs` that returns a network, which maps (b, ...) to (b, n_outputs)."""

HEADS: Mapping[str, type[Regressor] | type[DeepExpectation]] = MappingProxyType(
    {"regression": Regressor, "expectation": DeepExpectation}
)
"""Heads by name. A head converts a backbone's outputs into predictions in the targets' unit."""


def _facenet(data: RegressionData, n_outputs: int) -> nn.Module:
    shape = data.inputs.shape
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidParameterError(
            "model", "a network for this data's inputs", "facenet", f"It takes square images; the inputs are {shape}."
        )
    return FaceNet(shape[1], n_outputs, shape[2])


def _mlp(data: RegressionData, n_outputs: int) -> nn.Module:
    shape = tuple(data.inputs.shape)
    if len(shape) != 2:
        hint = f"It takes feature vectors; the inputs are {shape}."
        raise InvalidParameterError("model", "a network for this data's inputs", "mlp", hint)
    return MLP.for_features(torch.as_tensor(data.inputs), n_outputs)


def _vgg16(data: RegressionData, n_outputs: int) -> nn.Module:
    return VGG16(n_outputs, image_size=data.inputs.shape[-1])


MODELS: dict[str, Backbone] = {"facenet": _facenet, "mlp": _mlp, "vgg16": _vgg16}
"""Built-in backbones by name."""


def build_model(
    model: str | Backbone, data: RegressionData, seed: int, head: str = "regression"
) -> Regressor | DeepExpectation:
    """Build an untrained network for a data set.

    Parameters
    ----------
    model : str or callable
        A key of `MODELS`; a network of a package, `"torchvision:NAME"`, `"timm:NAME"` or `"efficientnet-lite0"`; the
        path of a factory, `"package.module:callable"`; or a callable that builds a backbone from the data and the
        number of outputs.
        A factory given by its path is called with `num_classes`, the number of outputs, if it accepts this argument.
        Otherwise it is called without arguments, and its last linear layer is replaced. Grey images are repeated over
        the three channels that such a network expects.
    data : RegressionData
        The training data. The network depends on the shapes of inputs and targets, and on the targets' centre and
        scale.
    seed : int
        Seed of the initial weights. The state of the global generator is restored.
    head : {"regression", "expectation"}
        ``"regression"`` has one output per coordinate (`Regressor`). ``"expectation"`` has a softmax over whole numbers
        (`DeepExpectation`).

    Raises
    ------
    UnknownNameError
        If the name is neither a key of `MODELS` nor the path of a factory.
    InvalidParameterError
        If the factory cannot be imported or called, or does not return a module with a linear layer.
    InvalidDataError
        If the targets do not suit the head.

    Examples
    --------
    >>> data = RegressionData.from_arrays(torch.zeros(4, 1, 16, 16, dtype=torch.uint8), torch.rand(4, 2))
    >>> build_model("facenet", data, seed=0)(torch.zeros(3, 1, 16, 16)).shape
    torch.Size([3, 2])
    """
    kind = HEADS[check_choice("head", head, HEADS)]
    n_outputs = kind.n_outputs(data.targets)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = build_backbone(model, data, n_outputs)
    initialise(backbone, data, seed)
    network = kind.for_targets(backbone, data.targets)
    # Channels-last convolutions are about twice as fast on CPUs, and no slower on GPUs.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's type hints lack it
    return network


def build_backbone(model: str | Backbone, data: RegressionData, n_outputs: int) -> nn.Module:
    """Build a backbone that maps the inputs of the data to `n_outputs` values.

    The parameters and errors are the same as in `build_model`. The global generator draws the initial weights.

    Examples
    --------
    >>> data = RegressionData.from_arrays(torch.rand(4, 3), torch.rand(4, 1))
    >>> build_backbone("mlp", data, n_outputs=7)(torch.zeros(2, 3)).shape
    torch.Size([2, 7])
    """
    if data.encoding is not None:
        features = torch.as_tensor(data.inputs)
        first = TableInputs.for_features(data.encoding, features)
        rest = replace(data, inputs=first(features), encoding=None)
        return nn.Sequential(first, build_backbone(model, rest, n_outputs))
    if not isinstance(model, str):
        return model(data, n_outputs)
    if model in MODELS:
        return MODELS[model](data, n_outputs)
    if is_packaged(model):
        return _for_grey(build_packaged(model, n_outputs), data)
    if is_path(model):
        return _from_factory(model, data, n_outputs)
    raise UnknownNameError(
        "model", model, [*MODELS, LITE0, *(f"{each}NAME" for each in PACKAGES), "package.module:factory"]
    )


def _from_factory(path: str, data: RegressionData, n_outputs: int) -> nn.Module:
    factory = import_path("model", path, "a factory that can be imported")
    # A factory may raise any error; each error is reported as an error of the factory.
    try:
        parameters = inspect.signature(factory).parameters
        takes_classes = "num_classes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        backbone = factory(num_classes=n_outputs) if takes_classes else factory()
    except Exception as error:
        expected = "a factory that can be called with `num_classes` or without arguments"
        raise InvalidParameterError("model", expected, path, _reason(error)) from error
    if not isinstance(backbone, nn.Module):
        hint = f"It returns an object of type {type(backbone).__name__}."
        raise InvalidParameterError("model", "a factory of torch modules", path, hint)
    if not takes_classes:
        backbone = _with_new_head(backbone, n_outputs, path)
    return _for_grey(backbone, data)


def _for_grey(backbone: nn.Module, data: RegressionData) -> nn.Module:
    """Return a network of colour images for the images of the data, which may be grey."""
    grey = data.inputs.ndim == 4 and data.inputs.shape[1] == 1
    return nn.Sequential(_RepeatGrey(), backbone) if grey else backbone


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).rstrip('.')}."


def _with_new_head(backbone: nn.Module, n_outputs: int, path: str) -> nn.Module:
    heads = [name for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    if not heads:
        raise InvalidParameterError("model", "a factory of networks that end in a linear layer", path)
    parent_name, _, leaf = heads[-1].rpartition(".")
    parent = backbone.get_submodule(parent_name)
    head = parent.get_submodule(leaf)
    assert isinstance(head, nn.Linear)
    setattr(parent, leaf, nn.Linear(head.in_features, n_outputs))
    return backbone


class _RepeatGrey(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        """Repeat grey images (b, 1, h, w) over three channels."""
        return images.expand(-1, 3, -1, -1)
