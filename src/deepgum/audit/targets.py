"""The labels that are scored: their names, which are right or wrong together, and what a mixture says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.data.target_names import are_landmarks, check_target_names, default_groups, group_names
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.periods import wrapped
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["Targets"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """Names, groups and kinds of d labels.

    Attributes
    ----------
    names : tuple of str, length d
    group_names : tuple of str, length g
    partition : tuple of tuples of int
        The targets of each group.
    periods : tuple of float, length d, or None
        After how much a label comes round again; 0 where it never does.
    unit : str
        What they are in, for people.
    landmarks : bool
        Whether they are points, x y x y ...
    swap_pairs : tuple of (int, int)
        Landmarks that are each other's left and right.

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
        swap_pairs: Sequence[tuple[int, int]] = (),
    ) -> Targets:
        """Return the targets of these names.

        Parameters
        ----------
        names : sequence of str
        groups : as of `GaussianUniformMixture`, optional
            By default landmarks where the names say so, and single targets otherwise; see `default_groups`.
        periods : mapping of str to float, or sequence of float, optional
            Of those that have one, by name; or of all.
        unit, swap_pairs
            As the attributes.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            Names that come twice; groups that are none of these targets; periods or pairs of landmarks that are none.
        """
        check_target_names(names, groups)
        groups = default_groups(names) if groups is None else groups
        landmarks = are_landmarks(names, groups)
        pairs = _pairs(swap_pairs, len(names) // 2 if landmarks else 0)
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
        """Return labels less predictions, (n, d), the short way round where labels are periodic."""
        return wrapped(given - predicted, self.periods)

    def scored(
        self,
        mixture: LabelMixture,
        ids: Sequence[str],
        given: Values,
        predicted: Values,
        *,
        residuals: Values | None = None,
        responsibilities: Values | None = None,
        unit: Values | float = 1.0,
        spread: Values | None = None,
    ) -> ScoredLabels:
        """Return labels with what the mixture says of them; a flagged one should be what is predicted.

        Parameters
        ----------
        mixture : LabelMixture
        ids : sequence of str, length n
        given, predicted : arrays (n, d)
        residuals : array (n, d), optional
            What the mixture is of; by default labels less predictions.
        responsibilities : array (n, g), optional
            By default those of the mixture.
        unit : array (n, d), optional
            What a residual of 1 is in the unit of the labels.
        spread : array (n, g), optional
            As of `ScoredLabels`.
        """
        residuals = self.residuals(given, predicted) if residuals is None else residuals
        responsibilities = mixture.responsibilities(residuals) if responsibilities is None else responsibilities
        flagged = np.zeros(given.shape, dtype=bool)
        deviations = np.empty(len(self.names))
        for place, (group, covariance) in enumerate(zip(map(list, self.partition), mixture.covariances, strict=True)):
            flagged[:, group] = responsibilities[:, [place]] < 0.5
            deviations[group] = np.sqrt(np.diagonal(covariance))
        # A label that is missing is not made up.
        flagged &= ~np.isnan(given)
        return ScoredLabels(
            ids=tuple(ids),
            target_names=self.names,
            group_names=self.group_names,
            partition=self.partition,
            given=given,
            predicted=predicted,
            responsibilities=responsibilities,
            mahalanobis=mixture.mahalanobis(residuals),
            suggested=np.where(flagged, predicted, np.nan),
            uncertainty=np.where(flagged, unit * deviations, np.nan),
            spread=spread,
            periods=self.periods,
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
        expected = f"{len(names)} finite numbers, one a target, 0 for one that never comes round"
        raise InvalidParameterError("periods", expected, tuple(periods))
    return tuple(map(float, periods)) if any(periods) else None


def _pairs(swap_pairs: Sequence[tuple[int, int]], landmarks: int) -> tuple[tuple[int, int], ...]:
    places = [place for pair in swap_pairs for place in pair]
    if len(set(places)) < len(places) or any(len(pair) != 2 for pair in swap_pairs):
        raise InvalidParameterError("swap_pairs", "pairs of landmarks, each in one pair", tuple(swap_pairs))
    if not all(0 <= place < landmarks for place in places):
        expected = (
            f"pairs of landmarks, counted from 0 to {landmarks - 1}" if landmarks else "left out without landmarks"
        )
        raise InvalidParameterError("swap_pairs", expected, tuple(swap_pairs))
    return tuple((int(a), int(b)) for a, b in swap_pairs)
