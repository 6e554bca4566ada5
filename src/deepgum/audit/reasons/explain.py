"""From scored labels to labels with reasons: all the rules, and which of them has its say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import weigh
from deepgum.audit.reasons.copies import copies
from deepgum.audit.reasons.fallbacks import hard, off, outside
from deepgum.audit.reasons.finding import Explanation
from deepgum.audit.reasons.foreign import foreign
from deepgum.audit.reasons.swapped import swapped
from deepgum.audit.reasons.unit import converted
from deepgum.audit.targets import Targets
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["explain", "with_reasons"]

Values = NDArray[np.float64]


def explain(
    labels: ScoredLabels,
    *,
    landmarks: bool,
    covariances: Sequence[Values] | None = None,
    log_densities: Sequence[float] | None = None,
    swap_pairs: Sequence[tuple[int, int]] = (),
    sizes: Values | None = None,
    conflicts: Sequence[Sequence[str]] = (),
    unit: str = "",
) -> ScoredLabels:
    """Return the labels with what seems wrong with each flagged one, and what it should be.

    Parameters
    ----------
    labels : ScoredLabels
        What they say of kinds and suggestions is not read.
    landmarks : bool
        Whether labels are points, x y x y ...
    covariances : sequence of arrays (k, k), one a group, optional
        Of right labels' residuals; by default that of the unflagged.
    log_densities : sequence of float, one a group, optional
        The uniform density of wrong labels' residuals, over all k coordinates; by default from the flagged.
    swap_pairs : sequence of (int, int)
        Landmarks that are each other's left and right.
    sizes : array (n, 2), optional
        Width and height of each image in the unit of the labels; NaN where unknown.
    conflicts : sequence of sequences of str
        Ids of samples with the same content and different labels; see `deepgum.audit.duplicates`.
    unit : str
        What labels are in, for people.

    Returns
    -------
    ScoredLabels
        With `kinds`, `why`, `suggested` and `uncertainty` of the flagged, and of no other label.

    Raises
    ------
    InvalidParameterError
        If landmarks are no pairs of numbers, `swap_pairs` names other landmarks, a covariance is none, or a density is
        not finite.
    InvalidDataError
        If `sizes` has another shape, or `conflicts` names samples that are not there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> height = rng.normal(170, 10, size=(200, 1))
    >>> given = height + rng.normal(0, 2, size=(200, 1))
    >>> given[:10] /= 2.54
    >>> residuals, nothing = given - height, np.full((200, 1), np.nan)
    >>> labels = ScoredLabels(
    ...     tuple(map(str, range(200))), ("height",), ("height",), ((0,),), given, height,
    ...     np.where(np.abs(residuals) > 20, 0.001, 0.999), np.abs(residuals) / 2, nothing, nothing)
    >>> explained = explain(labels, landmarks=False, unit="cm")
    >>> explained.kinds[0, 0].value, explained.suggested[0].round(1)
    ('unit', array([169.9]))
    >>> explained.why[0, 0]
    'Multiplied by 2.54 (inches for centimetres?) it fits: 169.93 cm, 0.64 standard deviations of right labels from what
    is predicted.'
    """
    case = Case.of(
        labels,
        landmarks=landmarks,
        covariances=covariances,
        log_densities=log_densities,
        swap_pairs=swap_pairs,
        sizes=sizes,
        conflicts=conflicts,
        unit=unit,
    )
    contradicted = copies(case)
    settled = {place: finding for place, finding in contradicted.items() if finding.log_odds >= 0}
    # What no rule explains shows what else is wrong, and against that the rules are weighed again.
    case = replace(case, explained=weigh(case, _explanations(case)).explained)
    believed = weigh(case, _explanations(case)).findings()
    findings = off(case) | hard(case) | outside(case) | contradicted | believed | settled
    suggested, uncertainty = np.full_like(labels.given, np.nan), np.full_like(labels.given, np.nan)
    for (row, group), finding in findings.items():
        columns = list(labels.partition[group])
        seen = ~np.isnan(labels.given[row, columns])
        suggested[row, columns] = np.where(seen, finding.suggested, np.nan)
        uncertainty[row, columns] = np.where(seen, finding.uncertainty, np.nan)
    return replace(
        labels,
        suggested=suggested,
        uncertainty=uncertainty,
        kinds={place: finding.reason for place, finding in findings.items()},
        why={place: finding.why for place, finding in findings.items()},
    )


def _explanations(case: Case) -> list[Explanation]:
    return [*swapped(case), *foreign(case), *converted(case)]


Sizes = Callable[[list[int]], Values]
"""From rows to the width and height (n, 2) of the images of all rows; NaN in every other row, and where unknown."""


def with_reasons(
    labels: ScoredLabels,
    targets: Targets,
    mixture: LabelMixture | None = None,
    sizes: Sizes | None = None,
    *,
    conflicts: Sequence[Sequence[str]] = (),
) -> ScoredLabels:
    """Return the labels with a kind of error and a sentence for each flag; see `deepgum.audit.reasons`.

    Parameters
    ----------
    labels : ScoredLabels
    targets : Targets
    mixture : LabelMixture, optional
        That they were scored by, where its residuals are in the unit of the labels: it says how far right and wrong
        labels lie. Otherwise the labels themselves say it.
    sizes : callable, optional
        Where the samples are images: gives their sizes, and is asked for those of flagged samples only.
    conflicts : sequence of sequences of str
        Ids of samples of the same content under different labels.
    """
    if not labels.flags.any():
        return labels
    points = targets.landmarks
    flagged = np.flatnonzero(labels.flags.any(axis=1)).tolist()
    return explain(
        labels,
        landmarks=points,
        covariances=None if mixture is None else mixture.covariances,
        log_densities=None if mixture is None else np.asarray(mixture.mixture.log_uniform_density_).tolist(),
        swap_pairs=targets.swap_pairs,
        sizes=sizes(flagged) if sizes is not None and points else None,
        conflicts=conflicts,
        unit=targets.unit,
    )
