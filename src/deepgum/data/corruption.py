"""Artificial outliers: the kinds NGO, l-UGO and g-UGO of section 4.4 of the paper, and uniformly drawn labels.

NGO, l-UGO and g-UGO shift landmarks by a distance d in a uniformly drawn direction. Distances are given in pixels of a
face image 224 pixels wide, which is the input of the paper's network. They are scaled to the width of the image in the
unit of the targets. A shifted landmark may lie outside the image. Coordinates are not clipped, because real errors
(wrong clicks and exchanged files) may lie outside too, and clipping would collect many outliers along the border. The
paper writes N(25, 2) and does not define the 2. Here the 2 is a standard deviation, in pixels like the mean.

`uniform` can be used for labels of any kind, for example ages or angles. It draws new labels for some samples: each
coordinate is drawn between the smallest and the largest label of this coordinate. All new labels are therefore in the
range of the old labels, and no check of the range can detect a new label.

After the corruption, `delete_labels` can delete labels, both correct and wrong ones. Landmarks are deleted as a whole.
If the targets are not landmarks, single coordinates are deleted. A deleted label is missing (NaN). It is neither an
outlier nor an inlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["NOISES", "Corruption", "Noise", "corrupt", "delete_labels"]

FACE_WIDTH = 224.0


@dataclass(frozen=True, eq=False)
class Corruption:
    """Corrupted targets, with a mask of the outliers.

    The d coordinates are divided into u units. A unit is a group of d / u neighbouring coordinates that are corrupted
    together: coordinate i belongs to unit i // (d / u).

    Attributes
    ----------
    targets : tensor, shape (n, d)
    outlier : bool tensor, shape (n, u)
        True where the labels of a unit were replaced. If landmarks are corrupted, a unit is a landmark, and u = d / 2.
        If samples are corrupted with `uniform`, a unit is all coordinates of a sample, and u = 1. A unit without
        labels is never an outlier.
    displacement : tensor, shape (n, u)
        Euclidean distance between the new and the old labels of the unit, over its observed coordinates, in the unit
        of the targets. The distance is 0 where no label was replaced.
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
        The unit that is corrupted, ``"landmark"`` or ``"sample"``. For this noise, set `groups` of the mixture to it.
    apply : callable
        Function ``apply(targets, rate, generator, width)`` that returns a `Corruption`. Its arguments are those of
        `corrupt`: float targets (n, d) with d > 0, the rate, the generator and the width.
    of_landmarks : bool
        Whether the targets must be landmarks.
    """

    unit: str
    apply: Callable[[Tensor, float, torch.Generator, float], Corruption]
    of_landmarks: bool = True


def corrupt(targets: Tensor, kind: str, rate: float, generator: torch.Generator, width: float = 1.0) -> Corruption:
    """Return a copy of the targets in which some landmarks or samples are wrong.

    The number of wrong landmarks or samples is exactly round(rate * count), where count is the number of landmarks or
    samples that have labels. Corrupt the training and validation labels, and keep the test labels correct.

    Parameters
    ----------
    targets : tensor, shape (n, d)
        For ``"uniform"``, labels of any kind. For all other kinds, landmarks in the order x1 y1 x2 y2 ... A missing
        label (NaN) stays missing. Landmarks with a missing coordinate and samples without any label are never selected
        and never counted.
    kind : str
        - ``"ngo"``: single landmarks are moved by the distance abs(d), where d is drawn from N(25, 2);
        - ``"l-ugo"``: single landmarks are moved by a distance d, drawn uniformly from 0 to 224;
        - ``"g-ugo"``: all landmarks of some samples are moved. For each landmark, a distance d is drawn uniformly from
          0 to 224;
        - ``"uniform"``: all labels of some samples are replaced. Each new label is drawn uniformly between the smallest
          and the largest label of its coordinate in `targets`. If all labels of a coordinate are whole numbers (ages),
          only whole numbers are drawn, from the smallest to the largest label. A new label that equals the correct
          label by chance counts as an outlier with displacement 0.
    rate : float
        Fraction that is made wrong. For ``"ngo"`` and ``"l-ugo"`` it is a fraction of the observed landmarks. For
        ``"g-ugo"`` and ``"uniform"`` it is a fraction of the samples that have at least one label.
    generator : torch.Generator
        Must be on the CPU, even if the targets are on an accelerator. A seed then gives the same outliers on every
        device.
    width : float
        Width of the image in the unit of the targets. It has no effect on ``"uniform"``.

    Returns
    -------
    Corruption
        The number of units per sample is u = 1 for ``"uniform"``, and u = d / 2 for all other kinds.

    Raises
    ------
    UnknownNameError, InvalidParameterError
        If the kind is unknown, or the rate or the width is out of range.
    InvalidDataError
        If the targets are not floats of shape (n, d), or if the kind moves landmarks and the targets are not landmarks.

    Examples
    --------
    >>> import torch
    >>> clean = torch.full((50, 10), 0.5)
    >>> dirty = corrupt(clean, "g-ugo", rate=0.2, generator=torch.Generator().manual_seed(0))
    >>> dirty.outlier.sum().item(), dirty.outlier.all(dim=1).sum().item()
    (50, 10)

    Replace three of ten ages by other ages:

    >>> ages = torch.tensor([[21.0], [34.0], [45.0], [58.0], [60.0], [62.0], [63.0], [70.0], [71.0], [90.0]])
    >>> dirty = corrupt(ages, "uniform", rate=0.3, generator=torch.Generator().manual_seed(0))
    >>> dirty.outlier.shape, dirty.outlier.sum().item(), (dirty.targets % 1).sum().item()
    (torch.Size([10, 1]), 3, 0.0)
    """
    noise = NOISES[check_choice("kind", kind, NOISES)]
    check_fraction("rate", rate)
    check_positive("width", width)
    if targets.ndim != 2 or targets.shape[1] == 0 or not targets.is_floating_point():
        raise InvalidDataError(
            f"`targets` should be floats of shape (n, d). Found {targets.dtype} of shape {tuple(targets.shape)}."
        )
    return noise.apply(targets, rate, generator, width)


def delete_labels(
    corruption: Corruption, clean: Tensor, rate: float, generator: torch.Generator, together: int = 1
) -> Corruption:
    """Return a copy of a corruption in which further labels are missing (NaN).

    The number of deleted labels is exactly round(rate * count), where count is the number of observed labels, correct
    or wrong. The labels to delete are drawn independently of the outliers. The outliers of the copy are therefore a
    subset of the outliers of `corruption`. A unit that loses all its labels is no longer an outlier.

    Parameters
    ----------
    corruption : Corruption
        The corrupted targets, n samples with d coordinates.
    clean : tensor, shape (n, d)
        The targets before the corruption.
    rate : float
        Fraction of the observed labels that is deleted.
    generator : torch.Generator
        Must be on the CPU. Do not use the generator that was used for `corrupt`.
    together : int
        Number of neighbouring coordinates that are deleted together: 2 for landmarks, 1 for single coordinates.

    Raises
    ------
    InvalidParameterError
        If the rate is not in [0, 1], or `together` does not divide the number of coordinates.

    Examples
    --------
    >>> clean = torch.full((50, 10), 0.5)
    >>> dirty = corrupt(clean, "l-ugo", rate=0.3, generator=torch.Generator().manual_seed(0))
    >>> less = delete_labels(dirty, clean, 0.2, torch.Generator().manual_seed(1), together=2)
    >>> less.targets.isnan().sum().item(), dirty.outlier.sum().item(), less.outlier.sum().item()
    (100, 75, 59)
    """
    check_fraction("rate", rate)
    n, d = corruption.targets.shape
    if check_count("together", together) > d or d % together:
        raise InvalidParameterError("together", f"a divisor of the {d} coordinates", together)
    labels = (~corruption.targets.isnan()).view(n, d // together, together).any(dim=2)
    deleted = _draw(labels.flatten().cpu(), rate, generator).view(n, -1).repeat_interleave(together, dim=1)
    targets = corruption.targets.masked_fill(deleted.to(corruption.targets.device), math.nan)
    units = (n, corruption.outlier.shape[1], -1)
    remaining = ~targets.isnan().view(units)
    # Recompute the displacement only where labels were deleted. Elsewhere it is exactly the drawn distance.
    distance = (targets - clean).view(units).nan_to_num().norm(dim=2)
    has_deleted = deleted.view(units).any(dim=2).to(targets.device)
    return Corruption(
        targets,
        corruption.outlier & remaining.any(dim=2),
        torch.where(has_deleted, distance, corruption.displacement).to(corruption.displacement),
    )


@dataclass(frozen=True)
class _Shift:
    """A noise that moves landmarks by random distances in random directions.

    Attributes
    ----------
    select : callable
        Function ``select(observed, rate, generator)`` that returns the mask (n, l) of the landmarks to move. `observed`
        is the mask (n, l) of the observed landmarks.
    distances : callable
        Function ``distances(count, generator)`` that returns `count` distances, in pixels of a face image 224 pixels
        wide.
    """

    select: Callable[[Tensor, float, torch.Generator], Tensor]
    distances: Callable[[int, torch.Generator], Tensor]

    def __call__(self, targets: Tensor, rate: float, generator: torch.Generator, width: float) -> Corruption:
        if targets.shape[1] % 2:
            raise InvalidDataError(
                "`targets` should be landmarks, of shape (n, 2 * landmarks). "
                f"Found shape {tuple(targets.shape)}. For labels that are not landmarks, use the noise 'uniform'."
            )
        points = targets.reshape(len(targets), targets.shape[1] // 2, 2)
        outlier = self.select(points.isfinite().all(dim=-1).cpu(), rate, generator)
        count = int(outlier.sum())
        angle = 2 * math.pi * torch.rand(count, dtype=torch.float64, generator=generator)
        distance = self.distances(count, generator) * (width / FACE_WIDTH)
        shift = distance[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        outlier = outlier.to(targets.device)
        moved, displacement = points.clone(), targets.new_zeros(points.shape[:2])
        moved[outlier] += shift.to(moved)
        displacement[outlier] = distance.to(displacement)
        return Corruption(moved.flatten(1), outlier, displacement)


def _redraw(targets: Tensor, rate: float, generator: torch.Generator, width: float) -> Corruption:
    """Replace all labels of some samples by labels drawn uniformly from the range of each coordinate."""
    labels = targets.double().cpu()
    observed = labels.isfinite()
    outlier = _draw(observed.any(dim=1), rate, generator)
    replaced = labels.clone()
    if outlier.any():
        low = labels.where(observed, math.inf).amin(dim=0)
        high = labels.where(observed, -math.inf).amax(dim=0)
        whole = ((labels == labels.round()) | ~observed).all(dim=0)
        share = torch.rand(int(outlier.sum()), labels.shape[1], dtype=torch.float64, generator=generator)
        drawn = low + torch.where(whole, (share * (high - low + 1)).floor(), share * (high - low))
        replaced[outlier] = drawn.where(observed[outlier], labels[outlier])
    # Convert to the type of the targets first: the displacement is measured between the stored labels.
    replaced = replaced.to(targets.dtype)
    displacement = (replaced.double() - labels).where(observed, 0.0).norm(dim=1, keepdim=True)
    device = targets.device
    return Corruption(replaced.to(device), outlier[:, None].to(device), displacement.to(device, targets.dtype))


def _select_landmarks(observed: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    return _draw(observed.flatten(), rate, generator).view_as(observed)


def _select_samples(observed: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    return _draw(observed.any(dim=1), rate, generator)[:, None] & observed


def _draw(candidates: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Draw round(rate * count) of the candidates without replacement. Return the mask (m,) of the drawn candidates.

    `candidates` is a mask (m,), and count is the number of its true elements.
    """
    places = candidates.nonzero().flatten()
    order = torch.randperm(len(places), generator=generator)
    drawn = torch.zeros_like(candidates)
    drawn[places[order[: round(rate * len(places))]]] = True
    return drawn


def _normal_distances(count: int, generator: torch.Generator) -> Tensor:
    return (25 + 2 * torch.randn(count, dtype=torch.float64, generator=generator)).abs()


def _uniform_distances(count: int, generator: torch.Generator) -> Tensor:
    return FACE_WIDTH * torch.rand(count, dtype=torch.float64, generator=generator)


NOISES = MappingProxyType(
    {
        "ngo": Noise("landmark", _Shift(_select_landmarks, _normal_distances)),
        "l-ugo": Noise("landmark", _Shift(_select_landmarks, _uniform_distances)),
        "g-ugo": Noise("sample", _Shift(_select_samples, _uniform_distances)),
        "uniform": Noise("sample", _redraw, of_landmarks=False),
    }
)
"""The kinds of outliers, by name."""
