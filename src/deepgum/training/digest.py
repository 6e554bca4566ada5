"""Hashes of texts and tensors, taken where they are in memory and not of copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["as_bytes", "digest", "tensor_parts"]


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
