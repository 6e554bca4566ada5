"""From out-of-fold predictions to scored labels with reasons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.duplicates import contradicted
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.out_of_fold.cross_fit import CrossFit
from deepgum.audit.reasons.explain import Sizes, with_reasons
from deepgum.audit.targets import Targets
from deepgum.audit.verdict import can_tell

__all__ = ["scored_labels"]

Values = NDArray[np.float64]


def scored_labels(
    targets: Targets,
    ids: Sequence[str],
    given: Values,
    taught: Values,
    found: CrossFit,
    *,
    offset: Values | float = 0.0,
    scale: Values | float = 1.0,
    copies: Sequence[Sequence[int]] = (),
    conflicts: Sequence[Sequence[str]] = (),
    sizes: Sizes | None = None,
) -> ScoredLabels:
    """Return what is known of all labels, in their own unit, with reasons for the flagged.

    Parameters
    ----------
    targets : Targets
    ids : sequence of str, length n
    given : array (n, d)
        The labels in their own unit.
    taught : array (n, d)
        The labels that `found` is about: as learners were taught them.
    found : CrossFit
    offset, scale : arrays (n, d)
        From the unit of `taught` to that of `given`.
    copies : sequence of sequences of int
        Rows of the same content, of which at most one label is right; see `deepgum.audit.duplicates`.
    conflicts : sequence of sequences of str
        The ids of those whose labels differ.
    sizes : callable, optional
        Of images; see `deepgum.audit.reasons.explain`.
    """
    residuals = targets.residuals(taught, found.predictions) / found.scale
    right = found.mixture.responsibilities(residuals)
    told = np.array([can_tell(status) for status in found.mixture.status])
    right = np.where(told, contradicted(right, given, targets.partition, copies, targets.periods), right)
    unit = np.broadcast_to(np.asarray(scale, dtype=np.float64), given.shape)
    of_groups = unit[:, [group[0] for group in targets.partition]]
    labels = targets.scored(
        found.mixture,
        ids,
        given,
        offset + scale * found.predictions,
        residuals=residuals,
        responsibilities=right,
        unit=unit * found.scale,
        spread=None if np.isnan(found.spread).all() else found.spread * of_groups,
    )
    # Where crops differ in size, or noise from sample to sample, the labels themselves say how far right ones lie.
    same = bool((unit == 1).all() and (found.scale == 1).all())
    return with_reasons(labels, targets, found.mixture if same else None, sizes, conflicts=conflicts)
