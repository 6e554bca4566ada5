"""A fitted mixture as a plain dictionary of tensors, numbers, strings and lists, and back."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, listing
from deepgum.mixture.parameters import Parameters
from deepgum.mixture.partition import Partition, SizeClass, size_classes
from deepgum.mixture.uniform import Uniform

__all__ = ["FORMAT", "check_state", "pack", "plain", "split", "unpack"]

FORMAT = "deepgum.GaussianUniformMixture/1"


def check_state(state: Mapping[str, Any], required: tuple[str, ...], fitted: tuple[str, ...]) -> None:
    """Raise `InvalidDataError` unless the dictionary is of this format, with every key of it and no other."""
    found = state.get("format")
    if found != FORMAT:
        raise InvalidDataError(f"A mixture's state should have format {FORMAT!r}. Found {found!r}.")
    expected = {"format", *required, *(fitted if any(key in state for key in fitted) else ())}
    missing, unknown = sorted(expected - set(state)), sorted(set(state) - expected)
    if missing or unknown:
        raise InvalidDataError(
            f"A mixture's state lacks {listing(missing) or 'nothing'} and has unknown {listing(unknown) or 'nothing'}."
        )


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as strings, Python numbers, truth values and lists, whatever kind of number was given."""

    def number(value: Any) -> int | float:
        return int(value) if isinstance(value, numbers.Integral) else float(value)

    state: dict[str, Any] = {
        name: value if value is None or isinstance(value, str) else number(value)
        for name, value in settings.items()
        if name != "groups"
    }
    groups = settings["groups"]
    state["groups"] = groups if isinstance(groups, str) else [[int(index) for index in group] for group in groups]
    state["warm_start"] = bool(settings["warm_start"])
    return state


def pack(parameters: tuple[Parameters, ...], partition: Partition) -> dict[str, Tensor]:
    """Lay the parameters of all groups end to end, in the partition's order.

    Returns
    -------
    dict
        "priors" (g,); "covariances", each group's k x k matrix flattened; "log_uniform", each group's k log densities.
    """
    priors: dict[int, Tensor] = {}
    covariances: dict[int, Tensor] = {}
    densities: dict[int, Tensor] = {}
    for size_class, each in zip(size_classes(partition), parameters, strict=True):
        for position, group in enumerate(size_class.groups):
            priors[group] = each.inlier_prior[position]
            covariances[group] = each.covariance[position].flatten()
            densities[group] = each.outliers.log_density_per_coordinate[position]
    order = range(len(partition))
    return {
        "priors": torch.stack([priors[group] for group in order]),
        "covariances": torch.cat([covariances[group] for group in order]),
        "log_uniform": torch.cat([densities[group] for group in order]),
    }


def split(flat: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Cut a (sum of sizes,) tensor into one piece a group."""
    return torch.split(flat, list(sizes))


def unpack(state: Mapping[str, Any], partition: Partition) -> tuple[Parameters, ...]:
    """Undo `pack`."""
    sizes = [len(group) for group in partition]
    expected = {
        "priors": len(sizes),
        "covariances": sum(size * size for size in sizes),
        "log_uniform": sum(sizes),
    }
    for name, length in expected.items():
        if tuple(state[name].shape) != (length,):
            raise InvalidDataError(f"State `{name}` should have shape ({length},). Found {tuple(state[name].shape)}.")
    covariances = split(state["covariances"], [size * size for size in sizes])
    densities = split(state["log_uniform"], sizes)

    def gather(size_class: SizeClass) -> Parameters:
        k = size_class.size
        return Parameters(
            torch.stack([state["priors"][group] for group in size_class.groups]),
            torch.stack([covariances[group].reshape(k, k) for group in size_class.groups]),
            Uniform(torch.stack([densities[group] for group in size_class.groups])),
        )

    return tuple(gather(size_class) for size_class in size_classes(partition))
