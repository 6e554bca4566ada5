"""Nested plain values and tensors, taken apart into JSON and named tensors, and put together again to the last bit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.errors import InvalidDataError

__all__ = ["as_bytes", "digest", "pack", "tensor_parts", "unpack"]


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Take a state apart.

    Parameters
    ----------
    state : nested dict, list and tuple
        Of tensors, numbers, strings, truth values and None. Keys of a dict are strings, numbers or tuples of them: an
        optimiser counts its parameters.

    Returns
    -------
    skeleton : value that JSON can hold
        Lists as they are; whatever JSON has no form for as an object of one key that says what it is.
    tensors : dict of str to Tensor
        On the CPU, in memory of their own. One that occurs several times is there once.

    Raises
    ------
    InvalidDataError
        If the state holds anything else; the message says where.

    Examples
    --------
    >>> import torch
    >>> skeleton, tensors = pack({"epoch": 3, "best": math.inf, "weight": torch.ones(2)})
    >>> skeleton
    {'dict': [['epoch', 3], ['best', {'float': 'inf'}], ['weight', {'tensor': '0'}]]}
    >>> unpack(skeleton, tensors)
    {'epoch': 3, 'best': inf, 'weight': tensor([1., 1.])}
    """
    packer = _Packer()
    return packer.pack(state, "state"), packer.tensors


def unpack(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `pack`; tensors are copied, so that nothing holds on to the file that they came from.

    Raises
    ------
    InvalidDataError
        If the skeleton is none of `pack`'s, or names a tensor that is not there.
    """
    if isinstance(skeleton, list):
        return [unpack(item, tensors) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    try:
        ((kind, value),) = skeleton.items()
        match kind:
            case "tensor":
                return tensors[value].clone()
            case "float":
                return float(value)
            case "tuple":
                return tuple(unpack(item, tensors) for item in value)
            case "dict":
                return {unpack(key, tensors): unpack(item, tensors) for key, item in value}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(f"A packed state should be one that `pack` gave. Found {error!r}.") from error
    raise InvalidDataError(f"A packed state should hold a tensor, a float, a tuple or a dict. Found {kind!r}.")


class _Packer:
    """Names tensors by their `id`, which is theirs for as long as the state that holds them lives."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}
        self._storages: set[int] = set()

    def pack(self, value: Any, where: str) -> Any:
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return float(value) if math.isfinite(value) else {"float": repr(float(value))}
            case Tensor():
                return {"tensor": self._name(value)}
            case list():
                return [self.pack(item, f"{where}[{i}]") for i, item in enumerate(value)]
            case tuple():
                return {"tuple": [self.pack(item, f"{where}[{i}]") for i, item in enumerate(value)]}
            case Mapping():
                # As pairs: JSON would make every key a string.
                items = ((self._key(key, where), self.pack(item, f"{where}[{key!r}]")) for key, item in value.items())
                return {"dict": [list(item) for item in items]}
        raise InvalidDataError(
            f"`{where}` should be a tensor, a number, a string, a truth value, None, or a dict, list or tuple of them. "
            f"Found a {type(value).__name__}."
        )

    def _key(self, key: Any, where: str) -> Any:
        if not isinstance(key, str | int | float | tuple):
            raise InvalidDataError(f"Keys of `{where}` should be strings or numbers. Found a {type(key).__name__}.")
        return self.pack(key, f"a key of {where}")

    def _name(self, tensor: Tensor) -> str:
        if id(tensor) not in self._names:
            whole = tensor.detach().cpu().contiguous()
            # The format knows no two names of one memory.
            storage = whole.untyped_storage()
            if storage.data_ptr() in self._storages or storage.nbytes() > whole.nbytes:
                whole = whole.clone()
            self._storages.add(whole.untyped_storage().data_ptr())
            self._names[id(tensor)] = name = str(len(self.tensors))
            self.tensors[name] = whole
        return self._names[id(tensor)]


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """Return the SHA-256 of parts that follow upon each other, as 64 hexadecimal digits.

    Examples
    --------
    >>> digest([b"ab", b"c"]) == digest([b"abc"])
    True
    >>> digest([b"abc"])[:16]
    'ba7816bf8f01cfea'
    """
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.hexdigest()


def as_bytes(values: Tensor | NDArray[Any]) -> memoryview:
    """Return what an array holds, in the order of its indices; without a copy where it lies so in the CPU's memory.

    Examples
    --------
    >>> as_bytes(torch.tensor([1, 258], dtype=torch.int16)).tolist()
    [1, 0, 2, 1]
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def tensor_parts(named: Iterable[tuple[str, Tensor]]) -> Iterable[bytes | memoryview]:
    r"""Yield what tells named tensors from others, for `digest`: name, shape, type and content of each.

    Examples
    --------
    >>> [bytes(part) for part in tensor_parts([("bias", torch.ones(1, dtype=torch.uint8))])]
    [b'bias (1,) torch.uint8\n', b'\x01']
    """
    for name, tensor in named:
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode()
        yield as_bytes(tensor)
