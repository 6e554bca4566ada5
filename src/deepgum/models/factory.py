"""Make a network from a name, or from the dotted path of anybody's factory."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.models.facenet import FaceNet
from deepgum.models.regressor import Regressor

__all__ = ["MODELS", "build_model"]


def _facenet(data: RegressionData) -> nn.Module:
    shape = data.inputs.shape
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidParameterError(
            "model", "a network for this data's inputs", "facenet", f"It takes square images; the inputs are {shape}."
        )
    return FaceNet(shape[1], data.targets.shape[1], shape[2])


MODELS: dict[str, Callable[[RegressionData], nn.Module]] = {"facenet": _facenet}
"""Networks that are known by name: from a data set to a backbone with as many outputs as it has coordinates."""


def build_model(name: str, data: RegressionData, seed: int) -> Regressor:
    """Build an untrained network for a data set.

    Parameters
    ----------
    name : str
        A key of `MODELS`, or a factory as `"package.module:callable"`, for example `"torchvision.models:resnet18"`.
        A factory that takes `num_classes` gets the number of coordinates; any other is called without arguments, and
        its last linear layer is replaced. Grey images are repeated over the three channels that it expects.
    data : RegressionData
        Gives the shapes of inputs and targets, and the targets' centre and scale.
    seed : int
        Of the initial weights. The global generator is left as it was.

    Raises
    ------
    UnknownNameError
        If the name is neither known nor a dotted factory.
    InvalidParameterError
        If the factory cannot be imported or called, or does not make a module with a linear layer.

    Examples
    --------
    >>> data = RegressionData.from_arrays(torch.zeros(4, 1, 16, 16, dtype=torch.uint8), torch.rand(4, 2))
    >>> build_model("facenet", data, seed=0)(torch.zeros(3, 1, 16, 16)).shape
    torch.Size([3, 2])
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name in MODELS:
            backbone = MODELS[name](data)
        elif ":" in name:
            backbone = _from_factory(name, data)
        else:
            raise UnknownNameError("model", name, [*MODELS, "package.module:factory"])
    # Channels-last convolutions are about twice as fast on CPUs, and no slower on GPUs.
    model = Regressor.for_targets(backbone, data.targets)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's own signatures
    return model


def _from_factory(path: str, data: RegressionData) -> nn.Module:
    module_name, _, attribute = path.partition(":")
    n_outputs = data.targets.shape[1]
    # Other people's code may raise anything; whatever it is, it is the factory that has to change.
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        raise InvalidParameterError("model", "a factory that can be imported", path, _reason(error)) from error
    try:
        parameters = inspect.signature(factory).parameters
        takes_classes = "num_classes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        backbone = factory(num_classes=n_outputs) if takes_classes else factory()
    except Exception as error:
        expected = "a factory that can be called with `num_classes` or without arguments"
        raise InvalidParameterError("model", expected, path, _reason(error)) from error
    if not isinstance(backbone, nn.Module):
        hint = f"It makes an object of type {type(backbone).__name__}."
        raise InvalidParameterError("model", "a factory of torch modules", path, hint)
    if not takes_classes:
        backbone = _with_new_head(backbone, n_outputs, path)
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
