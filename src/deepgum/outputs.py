"""The predictions (b, d) in the outputs of a network: a tensor, or the one tensor that fits in a tuple, dict or object.

Networks of other packages give several tensors: an auxiliary head in training, hidden states, a loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["OutputOf", "as_predictions", "described", "tensors_in"]


class OutputOf(nn.Module):
    """A network that gives several tensors, and the one of them that is the prediction.

    Parameters
    ----------
    network : nn.Module
        Network whose outputs are a tuple, a list, a dict, a named tuple or a dataclass.
    output : str, int or callable
        Key or field, position, or a function that maps the outputs to the predictions. A network that gives one tensor
        in evaluation mode and several in training may use a key or a position, too.

    Raises
    ------
    InvalidParameterError
        If `output` is of another kind.

    Examples
    --------
    >>> import torch
    >>> class Heads(nn.Module):
    ...     def forward(self, x):
    ...         return {"points": x[:, :2], "visible": x[:, 2:]}
    >>> OutputOf(Heads(), "points")(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, network: nn.Module, output: str | int | Callable[[Any], Tensor]) -> None:
        super().__init__()
        if isinstance(output, bool) or not (isinstance(output, str | int) or callable(output)):
            expected = "a key or field (text), a position (whole number), or a function of the outputs"
            raise InvalidParameterError("output", expected, output)
        self.network = network
        self.output = output

    def forward(self, inputs: Tensor) -> Any:
        """Return the chosen part of the outputs of the network."""
        outputs = self.network(inputs)
        if isinstance(outputs, Tensor) and not callable(self.output):
            return outputs
        try:
            if callable(self.output):
                return self.output(outputs)
            if isinstance(self.output, int):
                return list(_entries(outputs))[self.output][1]
            return dict(_entries(outputs))[self.output]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            found = described(outputs)
            raise InvalidParameterError(
                "output", "a part of the outputs of the network", self.output, f"The network gives {found}."
            ) from error


def as_predictions(outputs: Any, shape: tuple[int, int | None]) -> Any:
    """Return the predictions (b, d) in the outputs of a network; d is None if any number will do.

    A tensor with b times d values becomes (b, d). In a tuple, dict or object, the one tensor (b, d) is taken, or else
    the one tensor with b times d values. A tensor of another shape is returned unchanged: the caller judges it.

    Raises
    ------
    InvalidDataError
        If there is no such tensor in a tuple, dict or object, or there are several.

    Examples
    --------
    >>> import torch
    >>> as_predictions({"points": torch.zeros(5, 3, 2), "loss": torch.zeros(())}, (5, 6)).shape
    torch.Size([5, 6])
    """
    if isinstance(outputs, Tensor):
        return outputs if outputs.ndim == 2 or not _fits(outputs, shape) else _as_rows(outputs, shape)
    found = {name: tensor for name, tensor in tensors_in(outputs).items() if tensor.is_floating_point()}
    exact = [tensor for tensor in found.values() if tensor.ndim == 2 and _fits(tensor, shape)]
    fitting = exact or [tensor for tensor in found.values() if _fits(tensor, shape)]
    if len(fitting) == 1:
        return _as_rows(fitting[0], shape)
    expected = f"({shape[0]}, {'d' if shape[1] is None else shape[1]})"
    names = [name for name, tensor in found.items() if any(tensor is each for each in fitting)]
    problem = f"Several of them fit: {listing(names)}." if names else "None of them fits."
    raise InvalidDataError(
        f"The network should give one tensor of shape {expected}, one row per sample and one column per target. Found "
        f"{described(outputs)}. {problem} Name the right one: `output=` a key, a position or a function, or wrap the "
        "network: `deepgum.models.OutputOf(network, output)`."
    )


def tensors_in(outputs: Any) -> dict[str, Tensor]:
    """Return the tensors in a tuple, dict or object, with the path of each: ``['points']``, ``[0]`` or ``.logits``.

    Examples
    --------
    >>> import torch
    >>> list(tensors_in({"points": torch.zeros(2), "hidden": (torch.zeros(2), None)}))
    ["['points']", "['hidden'][0]"]
    """
    if isinstance(outputs, Tensor):
        return {"": outputs}
    found: dict[str, Tensor] = {}
    for name, value in _entries(outputs):
        step = f".{name}" if _is_object(outputs) else f"[{name!r}]"
        found |= {step + rest: tensor for rest, tensor in tensors_in(value).items()}
    return found


def described(outputs: Any) -> str:
    """Return what a network gives, in words: the type, and the paths and shapes of its tensors.

    Examples
    --------
    >>> import torch
    >>> described((torch.zeros(2, 1), torch.zeros(3)))
    'a tuple of 2 with the tensors [0] (2, 1), [1] (3,)'
    """
    kind = type(outputs).__name__
    if isinstance(outputs, Tensor):
        return f"a tensor of shape {tuple(outputs.shape)}"
    size = f" of {len(outputs)}" if isinstance(outputs, tuple | list | Mapping) else ""
    found = [f"{name} {tuple(tensor.shape)}" for name, tensor in tensors_in(outputs).items()]
    return f"a {kind}{size} with " + (f"the tensors {listing(found, most=8)}" if found else "no tensor")


def _entries(outputs: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(outputs, Mapping):
        yield from outputs.items()
    elif _is_object(outputs):
        names = getattr(outputs, "_fields", None) or [field.name for field in dataclasses.fields(outputs)]
        yield from ((name, getattr(outputs, name)) for name in names)
    elif isinstance(outputs, tuple | list):
        yield from enumerate(outputs)


def _is_object(outputs: Any) -> bool:
    if isinstance(outputs, Mapping):
        return False
    is_record = dataclasses.is_dataclass(outputs) and not isinstance(outputs, type)
    return is_record or (isinstance(outputs, tuple) and hasattr(outputs, "_fields"))


def _fits(tensor: Tensor, shape: tuple[int, int | None]) -> bool:
    if tensor.ndim == 0 or tensor.shape[0] != shape[0]:
        return False
    return tensor.ndim <= 2 if shape[1] is None else tensor.numel() == shape[0] * shape[1]


def _as_rows(tensor: Tensor, shape: tuple[int, int | None]) -> Tensor:
    return tensor if tensor.ndim == 2 else tensor.reshape(shape[0], -1)
