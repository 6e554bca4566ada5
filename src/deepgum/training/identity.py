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
from deepgum.training.options import DeepGUMOptions
from deepgum.training.sgd_options import SGDOptions

__all__ = ["fingerprints", "identity_of"]

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
    return {
        "trains": trains,
        "options": None if options is None else asdict(options),
        "loss": repr(loss),
        # A training may go on on another device: where it is made belongs to it no more than how many threads make it.
        "sgd": {name: value for name, value in asdict(sgd).items() if name != "device"},
        "seed": seed,
        "network": {"kind": type(model).__qualname__, "initial_weights": _digest_of_weights(_named(model))},
        "train": _data(train),
        "validation": _data(validation),
    }


def fingerprints(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    options: DeepGUMOptions,
    sgd: SGDOptions,
    seed: int,
) -> dict[str, int]:
    """Return a number for each argument of a training, by its name: another one where the argument is another.

    Of the data the inputs are not read, only their shape.
    """
    told: dict[str, Any] = {"model": _digest_of_weights(_named(model)), "options": options, "sgd": sgd, "seed": seed}
    for name, side in (("train", train), ("validation", validation)):
        weight = None if side.sample_weight is None else _digest(side.sample_weight)
        told[name] = (tuple(side.inputs.shape), _digest(side.targets), weight, side.mirror)
    return {name: int(_hash([repr(value).encode()])[:15], 16) for name, value in told.items()}


def _named(model: nn.Module) -> list[tuple[str, Tensor]]:
    return sorted([*model.named_parameters(), *model.named_buffers()], key=lambda pair: pair[0])


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
