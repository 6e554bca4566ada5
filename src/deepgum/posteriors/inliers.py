"""The values of the parameter `inliers`: "auto", the name of a density of right labels, or a density of the user."""

from __future__ import annotations

import inspect
import math
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.plugins import PATH, import_path, is_path, resolve
from deepgum.posteriors.densities import DENSITIES, Density

__all__ = ["AUTO", "Inliers", "candidates"]

AUTO = "auto"
"""The name that stands for the density with the highest held-out likelihood."""

Inliers: TypeAlias = "str | Density | type[Density]"
"""Type of the parameter `inliers`: "auto", a name from `DENSITIES`, a density, a class of densities, or a path."""


def candidates(inliers: Inliers) -> tuple[Density, ...]:
    """Return the densities that the argument `inliers` stands for: the candidates for right labels.

    Parameters
    ----------
    inliers : str, Density or class
        "auto" for all of `DENSITIES`, the name of one density, or a density of the user. The user can give an object, a
        class, or a path "package.module:name".

    Raises
    ------
    UnknownNameError
        If no density has this name.
    InvalidParameterError
        If the density cannot be imported, or lacks a part of the contract of `Density`. The message names the part.

    Examples
    --------
    >>> candidates("gaussian"), len(candidates("auto"))
    ((Gaussian(),), 9)
    >>> candidates("deepgum.posteriors.densities:Gaussian")
    (Gaussian(),)
    """
    if isinstance(inliers, str) and not is_path(inliers):
        if inliers == AUTO:
            return tuple(density for kind in DENSITIES.values() for density in kind.family())
        if inliers not in DENSITIES:
            raise UnknownNameError("inliers", inliers, [AUTO, *DENSITIES, PATH])
        return DENSITIES[inliers].family()
    density = resolve("inliers", inliers, DENSITIES, Density)  # type: ignore[type-abstract]
    given: Any = import_path("inliers", inliers) if isinstance(inliers, str) else inliers
    members = type(density).family() if inspect.isclass(given) else (density,)
    for member in members:
        _check_parts(member, inliers)
    return members


def _check_parts(density: Density, inliers: Inliers) -> None:
    """Refuse a density if one of its methods or attributes breaks the contract, before any work begins."""
    squared = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)

    def is_tensor(value: Any) -> bool:
        return isinstance(value, Tensor) and value.shape == squared.shape and bool(value.isfinite().all())

    def is_array(value: Any) -> bool:
        array = np.asarray(value, dtype=np.float64)
        return array.shape == (3,) and bool(((array >= 0) & (array <= 1)).all())

    def is_variance(value: Any) -> bool:
        return isinstance(value, int | float) and 0 < value < math.inf

    parts = (
        ("log_density", lambda: density.log_density(squared, 2), is_tensor, "a tensor of 3 finite numbers"),
        ("em_weight", lambda: density.em_weight(squared, 2), is_tensor, "a tensor of 3 finite numbers"),
        ("variance", lambda: density.variance(2), is_variance, "a finite number above 0"),
        ("cdf", lambda: density.cdf(squared.numpy(), 2), is_array, "an array of 3 probabilities"),
        ("words", lambda: density.words, lambda value: isinstance(value, str), "a string"),
        ("__hash__", lambda: hash(density), lambda value: True, "a number, like a frozen dataclass"),
    )
    for name, part, is_valid, expected in parts:
        try:
            value = part()
            if is_valid(value):
                continue
            found = f"It returns {value!r}."
        except Exception as error:  # the code is the user's: it may raise anything
            found = f"It raises {type(error).__name__}: {str(error).rstrip('.')}."
        hint = (
            f"`{type(density).__name__}.{name}` should return {expected} for 3 squared distances, 2 dimensions. {found}"
        )
        raise InvalidParameterError("inliers", "a Density with valid parts", inliers, hint)
