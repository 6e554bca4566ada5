"""The identity of a training: strings and numbers from its data, network and options.

Two trainings with equal identities give the same result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.training.job import Training
from deepgum.training.options import DeepGUMOptions
from deepgum.training.state.packing import as_bytes, digest, tensor_parts

__all__ = ["fingerprints", "identity_of"]

_BLOCK = 1024
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def identity_of(training: Training[Any]) -> dict[str, Any]:
    """Return the identity of a training for `Checkpoint`: its options and seed, and hashes of its arrays.

    The function reads all data once.

    Parameters
    ----------
    training : Training
        The training, with the initial weights of its network; all weights are hashed, frozen weights included.

    Examples
    --------
    >>> from deepgum.training.sgd_options import SGDOptions
    >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [1.5]])
    >>> known = identity_of(Training(nn.Linear(1, 1), data, data, "cross-entropy", SGDOptions(), seed=0))
    >>> known["trains"], known["seed"], known["sgd"]["optimizer"], known["train"]["targets"]
    ('loss', 0, 'adam', '(2, 1) float32 ...')
    """
    settings, model = training.settings, training.model
    options, loss = (settings, None) if isinstance(settings, DeepGUMOptions) else (None, settings)
    return {
        "trains": "loss" if options is None else "mixture",
        "options": None if options is None else options.to_mapping(),
        "loss": repr(loss),
        # A training may resume on another device.
        "sgd": {name: value for name, value in training.sgd.effective.items() if name != "device"},
        "seed": training.seed,
        "network": {
            "kind": type(model).__qualname__,
            "structure": _digest_of_structure(model),
            "initial_weights": _hash(tensor_parts(_sorted_tensors(model))),
        },
        "train": _data(training.train),
        "validation": _data(training.validation),
    }


def fingerprints(training: Training[DeepGUMOptions]) -> dict[str, int]:
    """Return a hash of each argument of `fit_deepgum`, by the name of the argument.

    For speed, the hash of the data uses the shape of the inputs instead of their values.
    """
    values: dict[str, Any] = {
        "model": (_digest_of_structure(training.model), _hash(tensor_parts(_sorted_tensors(training.model)))),
        "options": training.settings.to_mapping(),
        "sgd": training.sgd,
        "seed": training.seed,
    }
    for name, side in (("train", training.train), ("validation", training.validation)):
        weight = None if side.sample_weight is None else _digest(side.sample_weight)
        values[name] = (tuple(side.inputs.shape), _digest(side.targets), weight, side.mirror)
    return {name: int(_hash([repr(value).encode()])[:15], 16) for name, value in values.items()}


def _digest_of_structure(model: nn.Module) -> str:
    """Return a hash of the structure of a network: all modules, and the names of the frozen weights.

    The hash uses the name, the type's name and the `extra_repr` of each module. The hash does not use the Python module
    of the type, because its name is "__main__" in a script, and another name if the script is imported.
    """
    modules = (
        # Remove addresses of objects, because they differ between processes.
        f"{name} {type(part).__qualname__} {_ADDRESS.sub('', part.extra_repr())}\n".encode()
        for name, part in model.named_modules(remove_duplicate=False)
    )
    frozen = (f"{name}\n".encode() for name, weight in model.named_parameters() if not weight.requires_grad)
    return _hash([*modules, b"frozen\n", *frozen])


def _sorted_tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return sorted([*model.named_parameters(), *model.named_buffers()], key=lambda pair: pair[0])


def _data(data: RegressionData) -> dict[str, Any]:
    # Not all data have `sample_weight`.
    arrays = {name: getattr(data, name, None) for name in ("inputs", "targets", "mirrored_inputs", "sample_weight")}
    return {name: _digest(values) for name, values in arrays.items() if values is not None} | {
        "mirror": None if data.mirror is None else asdict(data.mirror)
    }


def _digest(values: Tensor | NDArray[Any]) -> str:
    kind = str(values.dtype).removeprefix("torch.")
    blocks = (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))
    return f"{tuple(values.shape)} {kind} {_hash(map(as_bytes, blocks))}"


def _hash(parts: Iterable[bytes | memoryview]) -> str:
    return digest(parts)[:16]
