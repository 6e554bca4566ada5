"""What seems wrong with each flagged label: where scores become reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.posterior import LabelMixture
from deepgum.audit.reasons import explain
from deepgum.audit.targets import Targets

__all__ = ["with_reasons"]

Values = NDArray[np.float64]
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
