"""Lossless conversion of nested plain values and tensors into JSON and named tensors, and back."""

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
    """Split a state into a JSON value and named tensors.

    Parameters
    ----------
    state : nested dict, list and tuple
        State with tensors, numbers, strings, booleans and None. Keys of a dict are strings, numbers (an optimiser
        numbers its parameters) or tuples of strings and numbers.

    Returns
    -------
    skeleton : JSON value
        The state without its tensors. A value without a JSON type becomes an object with one key, which is the name of
        the value's type.
    tensors : dict of str to Tensor
        Tensors on the CPU that share no memory. A tensor that occurs several times in the state is stored once.

    Raises
    ------
    InvalidDataError
        If the state has a value of another type. The message says where in the state this value is.

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
    """Restore a state from the results of `pack`. Tensors are copied, so that they do not reference an open file.

    Raises
    ------
    InvalidDataError
        If the skeleton does not come from `pack`, or a tensor is missing.
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
        raise InvalidDataError(f"A packed state should come from `pack`. Found {error!r}.") from error
    raise InvalidDataError(f"A packed state should hold a tensor, a float, a tuple or a dict. Found {kind!r}.")


class _Packer:
    """Converter of one state. The converter recognises tensors by `id`, which is unique while the state exists."""

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
                # Store pairs, because JSON would convert every key to a string.
                items = ((self._key(key, where), self.pack(item, f"{where}[{key!r}]")) for key, item in value.items())
                return {"dict": [list(item) for item in items]}
        raise InvalidDataError(
            f"`{where}` should be a tensor, a number, a string, a boolean, None, or a dict, list or tuple of these "
            f"types. Found a {type(value).__name__}."
        )

    def _key(self, key: Any, where: str) -> Any:
        if not isinstance(key, str | int | float | tuple):
            raise InvalidDataError(f"Keys of `{where}` should be strings or numbers. Found a {type(key).__name__}.")
        return self.pack(key, f"a key of {where}")

    def _name(self, tensor: Tensor) -> str:
        if id(tensor) not in self._names:
            whole = tensor.detach().cpu().contiguous()
            # In safetensors, two tensors cannot share memory.
            storage = whole.untyped_storage()
            if storage.data_ptr() in self._storages or storage.nbytes() > whole.nbytes:
                whole = whole.clone()
            self._storages.add(whole.untyped_storage().data_ptr())
            self._names[id(tensor)] = name = str(len(self.tensors))
            self.tensors[name] = whole
        return self._names[id(tensor)]


def digest(parts: Iterable[bytes | memoryview]) -> str:
    """Return the SHA-256 of the concatenation of the parts, as 64 hexadecimal digits.

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
    """Return the bytes of an array in C order. The array is copied only if it is not contiguous or not on the CPU.

    Examples
    --------
    >>> as_bytes(torch.tensor([1, 258], dtype=torch.int16)).tolist()
    [1, 0, 2, 1]
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def tensor_parts(named: Iterable[tuple[str, Tensor]]) -> Iterable[bytes | memoryview]:
    r"""Yield the bytes of each tensor for `digest`: a line with name, shape and type, and then the values.

    Examples
    --------
    >>> [bytes(part) for part in tensor_parts([("bias", torch.ones(1, dtype=torch.uint8))])]
    [b'bias (1,) torch.uint8\n', b'\x01']
    """
    for name, tensor in named:
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode()
        yield as_bytes(tensor)
