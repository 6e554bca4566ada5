"""What seems wrong with each flagged label: where scores become reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.posterior import LabelMixture
from deepgum.audit.reason import Reason
from deepgum.audit.targets import Targets

__all__ = ["with_reasons"]

Values = NDArray[np.float64]
Sizes = Callable[[list[int]], Values]
"""From rows to the width and height (n, 2) of the images of all rows; NaN in every other row, and where unknown."""


def with_reasons(
    labels: ScoredLabels, targets: Targets, mixture: LabelMixture, sizes: Sizes | None = None
) -> ScoredLabels:
    """Return the labels with a kind of error and a sentence for each flag.

    Parameters
    ----------
    labels : ScoredLabels
        Of `Targets.scored`.
    targets : Targets
    mixture : LabelMixture
        That they were scored by.
    sizes : callable, optional
        Where the samples are images: gives their sizes, and is asked for those of flagged samples only.
    """
    # The one place where rules that tell kinds of error apart are to be called: they take `targets.landmarks`,
    # `targets.swap_pairs` and `targets.unit`, the `sizes` of the flagged rows, covariances and densities of `mixture`.
    places = labels.worst_first()
    unit = f" {targets.unit}" if targets.unit else ""
    why = {
        place: f"{labels.residual_norms[place]:.3g}{unit} from what is predicted, "
        f"{labels.mahalanobis[place]:.3g} standard deviations of right labels."
        for place in places
    }
    return replace(labels, kinds=dict.fromkeys(places, Reason.OFF), why=why)
