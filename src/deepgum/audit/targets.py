"""The targets that are scored: their names, groups, periods and unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.data.swap_pairs import Swap, swap_pairs_of
from deepgum.data.target_names import are_landmarks, check_target_names, default_groups, group_names
from deepgum.data.visibility import check_pairs
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.periods import wrapped
from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["Targets"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """Names, groups, periods and unit of d targets.

    Attributes
    ----------
    names : tuple of str, length d
    group_names : tuple of str, length g
    partition : tuple of tuples of int
        The columns of the targets of each group.
    periods : tuple of float, length d, or None
        Period of each label; 0 for a label without a period.
    unit : str
        Unit of the labels, for messages and reports: "px", "years".
    landmarks : bool
        Whether labels are coordinates of landmarks, x y x y ...
    swap_pairs : tuple of (int, int)
        Pairs of left and right landmarks.

    Examples
    --------
    >>> targets = Targets.of(["x1", "y1", "yaw"], [[0, 1], [2]], periods={"yaw": 360})
    >>> targets.group_names, targets.periods, targets.landmarks
    (('1', 'yaw'), (0.0, 0.0, 360.0), False)
    """

    names: tuple[str, ...]
    group_names: tuple[str, ...]
    partition: Partition
    periods: tuple[float, ...] | None = None
    unit: str = ""
    landmarks: bool = False
    swap_pairs: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        groups: Groups | None = None,
        *,
        periods: Mapping[str, float] | Sequence[float] | None = None,
        unit: str = "",
        swap_pairs: Swap = (),
    ) -> Targets:
        """Check the arguments and return the targets.

        Parameters
        ----------
        names : sequence of str
        groups : see `GaussianUniformMixture`, optional
            By default, each landmark is one group if the names come in pairs of x and y, else each target is one group.
            See `default_groups`.
        periods : mapping of str to float, or sequence of float, optional
            Either a mapping from names to periods, for the targets that have a period, or a sequence with the period of
            each target (0 for a target without a period).
        unit
            See the attributes.
        swap_pairs : sequence of (int, int) or str
            Pairs of left and right landmarks, or a name; see `deepgum.data.swap_pairs.swap_pairs_of`.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            If names are repeated, if groups, periods or pairs do not fit the targets, or if the names of landmarks show
            that they are no pairs of x and y.
        """
        check_target_names(names, groups)
        if isinstance(groups, str) and groups == "landmark":
            check_pairs(names)
        groups = default_groups(names) if groups is None else groups
        landmarks = are_landmarks(names, groups)
        if isinstance(swap_pairs, str) and not landmarks:
            raise InvalidParameterError("swap_pairs", "left out if labels are not landmarks", swap_pairs)
        pairs = _pairs(swap_pairs_of(swap_pairs, names), len(names) // 2 if landmarks else 0)
        return cls(
            names=tuple(names),
            group_names=group_names(names, groups),
            partition=partition(groups, len(names)),
            periods=_periods(names, periods),
            unit=unit,
            landmarks=landmarks,
            swap_pairs=pairs,
        )

    def residuals(self, given: Values, predicted: Values) -> Values:
        """Return labels minus predictions (n, d), wrapped where labels are periodic."""
        return wrapped(given - predicted, self.periods)

    def comparison(self, given: Values, predicted: Values) -> Comparison:
        """Return the comparison of labels and predictions (n, d), with these residuals."""
        return Comparison(
            given,
            predicted,
            self.partition,
            lambda labels: self.residuals(labels, predicted),
            np.zeros_like,
            self.landmarks,
            self.swap_pairs,
            self.periods,
        )


def _periods(names: Sequence[str], periods: Mapping[str, float] | Sequence[float] | None) -> tuple[float, ...] | None:
    if periods is None:
        return None
    if isinstance(periods, Mapping):
        for name in periods:
            if name not in names:
                raise UnknownNameError("periods", name, names)
        periods = [periods.get(name, 0.0) for name in names]
    if len(periods) != len(names) or not all(math.isfinite(period) and period >= 0 for period in periods):
        expected = f"{len(names)} finite numbers, one per target, 0 for a target without a period"
        raise InvalidParameterError("periods", expected, tuple(periods))
    return tuple(map(float, periods)) if any(periods) else None


def _pairs(swap_pairs: Sequence[tuple[int, int]], landmarks: int) -> tuple[tuple[int, int], ...]:
    places = [place for pair in swap_pairs for place in pair]
    if len(set(places)) < len(places) or any(len(pair) != 2 for pair in swap_pairs):
        raise InvalidParameterError("swap_pairs", "pairs of landmarks, each landmark in one pair", tuple(swap_pairs))
    if not all(0 <= place < landmarks for place in places):
        expected = (
            f"pairs of landmarks, counted from 0 to {landmarks - 1}"
            if landmarks
            else "left out if labels are not landmarks"
        )
        raise InvalidParameterError("swap_pairs", expected, tuple(swap_pairs))
    return tuple((int(a), int(b)) for a, b in swap_pairs)
