"""Outliers made on purpose: NGO, l-UGO and g-UGO of the paper's section 4.4.

Some landmarks are shifted a distance d in a uniformly drawn direction. Distances are stated in pixels of a face image
224 pixels wide, the paper's input, and scale with the width of the targets. A shifted landmark may leave the image: the
paper's wrong clicks and exchanged files do not stop at its border, and clipping would pile outliers up along it.

The paper writes N(25, 2) without saying what the 2 is. It is read as a standard deviation, in pixels like the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.checks import check_choice, check_fraction, check_positive
from deepgum.errors import InvalidDataError

__all__ = ["NOISES", "Corruption", "Noise", "corrupt_landmarks"]

FACE_WIDTH = 224.0


@dataclass(frozen=True, eq=False)
class Corruption:
    """Corrupted targets, and the truth about them.

    Attributes
    ----------
    targets : tensor, shape (n, d)
    outlier : bool tensor, shape (n, d / 2)
        True where a landmark was moved.
    displacement : tensor, shape (n, d / 2)
        How far, in the unit of the targets; 0 elsewhere.
    """

    targets: Tensor
    outlier: Tensor
    displacement: Tensor


@dataclass(frozen=True)
class Noise:
    """A kind of outlier.

    Attributes
    ----------
    unit : str
        What is drawn to be corrupted, ``"landmark"`` or ``"sample"``: also the groups that fit it.
    select : callable
        ``select(observed (n, l) bool, rate, generator) -> (n, l) bool``, the landmarks to move.
    distances : callable
        ``distances(count, generator) -> (count,)``, in pixels of a face 224 pixels wide.
    """

    unit: str
    select: Callable[[Tensor, float, torch.Generator], Tensor]
    distances: Callable[[int, torch.Generator], Tensor]


def corrupt_landmarks(
    targets: Tensor, kind: str, rate: float, generator: torch.Generator, width: float = 1.0
) -> Corruption:
    """Return a copy of the targets in which exactly round(rate * count) landmarks or images are wrong.

    Meant for training and validation labels; test labels stay as they are.

    Parameters
    ----------
    targets : tensor, shape (n, d)
        Landmarks x1 y1 x2 y2 ... A landmark with a missing coordinate (NaN) is never selected, nor counted.
    kind : str
        ``"ngo"``: landmarks, wherever they are, by abs(d) with d from N(25, 2); ``"l-ugo"``: the same, with d uniform
        from 0 to 224; ``"g-ugo"``: all landmarks of some images, each with its own d, uniform from 0 to 224.
    rate : float
        Fraction of the observed landmarks, or for g-UGO of the images that have any.
    generator : torch.Generator
        On the CPU, whatever the device of the targets: the same seed gives the same outliers everywhere.
    width : float
        The image's width in the unit of the targets.

    Examples
    --------
    >>> import torch
    >>> clean = torch.full((50, 10), 0.5)
    >>> dirty = corrupt_landmarks(clean, "g-ugo", rate=0.2, generator=torch.Generator().manual_seed(0))
    >>> dirty.outlier.sum().item(), dirty.outlier.all(dim=1).sum().item()
    (50, 10)
    """
    noise = NOISES[check_choice("kind", kind, NOISES)]
    check_fraction("rate", rate)
    check_positive("width", width)
    if targets.ndim != 2 or targets.shape[1] == 0 or targets.shape[1] % 2 or not targets.is_floating_point():
        raise InvalidDataError(
            "`targets` should be floats of shape (n, 2 * landmarks). "
            f"Found {targets.dtype} of shape {tuple(targets.shape)}."
        )
    points = targets.reshape(len(targets), -1, 2)
    outlier = noise.select(points.isfinite().all(dim=-1).cpu(), rate, generator)
    count = int(outlier.sum())
    angle = 2 * math.pi * torch.rand(count, dtype=torch.float64, generator=generator)
    distance = noise.distances(count, generator) * (width / FACE_WIDTH)
    shift = distance[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    outlier = outlier.to(targets.device)
    moved, displacement = points.clone(), targets.new_zeros(points.shape[:2])
    moved[outlier] += shift.to(moved)
    displacement[outlier] = distance.to(displacement)
    return Corruption(moved.flatten(1), outlier, displacement)


def _select_landmarks(observed: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    return _draw(observed.flatten(), rate, generator).view_as(observed)


def _select_samples(observed: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    return _draw(observed.any(dim=1), rate, generator)[:, None] & observed


def _draw(candidates: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Return a mask of round(rate * count) of the candidates (m,) bool, drawn without replacement."""
    places = candidates.nonzero().flatten()
    order = torch.randperm(len(places), generator=generator)
    drawn = torch.zeros_like(candidates)
    drawn[places[order[: round(rate * len(places))]]] = True
    return drawn


def _normal_distances(count: int, generator: torch.Generator) -> Tensor:
    return (25 + 2 * torch.randn(count, dtype=torch.float64, generator=generator)).abs()


def _uniform_distances(count: int, generator: torch.Generator) -> Tensor:
    return FACE_WIDTH * torch.rand(count, dtype=torch.float64, generator=generator)


NOISES = {
    "ngo": Noise("landmark", _select_landmarks, _normal_distances),
    "l-ugo": Noise("landmark", _select_landmarks, _uniform_distances),
    "g-ugo": Noise("sample", _select_samples, _uniform_distances),
}
