"""What a training is, in plain values: two that agree in all of them give the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.losses import Loss
from deepgum.training.options import DeepGUMOptions, SGDOptions

__all__ = ["identity_of"]

_BLOCK = 1024


def identity_of(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    trains: str,
    sgd: SGDOptions,
    seed: int,
    options: DeepGUMOptions | None = None,
    loss: Loss | str | None = None,
) -> dict[str, Any]:
    """Return what tells a training from every other, for `Checkpoint`: choices as they are, arrays as a hash.

    Reads all data once.

    Parameters
    ----------
    model : nn.Module
        As it is before the training: its weights are hashed, the frozen ones too.
    train, validation : RegressionData
    trains : str
        What trains it.
    sgd, seed, options, loss
        Its arguments.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [1.5]])
    >>> known = identity_of(nn.Linear(1, 1), data, data, trains="loss", sgd=SGDOptions(), seed=0, loss="l2")
    >>> known["seed"], known["sgd"]["optimizer"], known["train"]["targets"]
    (0, 'adam', '(2, 1) float32 ...')
    """
    named = sorted([*model.named_parameters(), *model.named_buffers()], key=lambda pair: pair[0])
    return {
        "trains": trains,
        "options": None if options is None else asdict(options),
        "loss": repr(loss),
        "sgd": asdict(sgd),
        "seed": seed,
        "network": {"kind": type(model).__qualname__, "initial_weights": _digest_of_weights(named)},
        "train": _data(train),
        "validation": _data(validation),
    }


def _data(data: RegressionData) -> dict[str, Any]:
    # `sample_weight` may be absent.
    arrays = {name: getattr(data, name, None) for name in ("inputs", "targets", "mirrored_inputs", "sample_weight")}
    return {name: _digest(values) for name, values in arrays.items() if values is not None} | {
        "mirror": None if data.mirror is None else asdict(data.mirror)
    }


def _digest(values: Tensor | NDArray[Any]) -> str:
    kind = str(values.dtype).removeprefix("torch.")
    blocks = (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))
    return f"{tuple(values.shape)} {kind} {_hash(map(_bytes, blocks))}"


def _digest_of_weights(named: Iterable[tuple[str, Tensor]]) -> str:
    return _hash(
        part
        for name, tensor in named
        for part in (f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode(), _bytes(tensor.detach()))
    )


def _hash(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _bytes(values: Tensor | NDArray[Any]) -> memoryview:
    if isinstance(values, Tensor):
        return values.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
