"""The choice of the scale of labels: identity, square root or logarithm, by the likelihood of held-out labels.

A learner is trained in each scale on the rows outside one fold, and its residuals on the fold are compared: the log
density of the labels, with the Jacobian of the scale, under Student's t with local noise. Choosing the scale from the
residuals of one learner would favour the scale in which this learner was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.audit.out_of_fold.cross_fit import Learner
from deepgum.audit.out_of_fold.features import Features
from deepgum.audit.out_of_fold.local_noise import LocalNoise
from deepgum.data.folds import folds
from deepgum.label_scale import LabelScale
from deepgum.posteriors.em import fit_groups
from deepgum.posteriors.group_mixtures import GroupMixture
from deepgum.posteriors.inliers import AUTO, candidates
from deepgum.posteriors.power_law import PowerLaw

__all__ = ["candidate_scales", "choose_scale"]

Values = NDArray[np.float64]

LEAST_RANGE = 3.0
"""Scales are tried if the 90 % quantile of the labels is at least this number of times the 10 % quantile."""

ERRORS = 3.0
"""Another scale must have a likelihood this number of standard errors above the likelihood without a scale."""

LEAST_ROWS = 100


def candidate_scales(labels: Values) -> tuple[LabelScale, ...]:
    """Return the scales that are tried for labels (n, d): all scales, if the labels are positive and differ widely.

    Examples
    --------
    >>> candidate_scales(np.geomspace(1, 1000, 200)[:, None])
    (<LabelScale.IDENTITY: 'identity'>, <LabelScale.SQUARE_ROOT: 'square root'>, <LabelScale.LOG: 'log'>)
    >>> candidate_scales(np.linspace(50, 60, 200)[:, None])
    (<LabelScale.IDENTITY: 'identity'>,)
    """
    if len(labels) < LEAST_ROWS or not LabelScale.LOG.is_possible(labels):
        return (LabelScale.IDENTITY,)
    low, high = np.nanquantile(labels, (0.1, 0.9), axis=0)
    return tuple(LabelScale) if (high >= LEAST_RANGE * low).all() else (LabelScale.IDENTITY,)


def choose_scale(
    candidates: Sequence[LabelScale],
    labels: Values,
    learner_of: Callable[[LabelScale], Learner],
    features: Features,
    *,
    n_folds: int,
    keep_together: Sequence[str] | None = None,
    seed: int = 0,
) -> LabelScale:
    """Return the scale in which held-out labels have the highest likelihood. This takes one fit per candidate.

    Parameters
    ----------
    candidates : sequence of LabelScale
        The simplest scale comes first. It stays unless another scale is clearly better.
    labels : array (n, d)
    learner_of : callable
        ``learner_of(scale)`` returns a learner of the labels in a scale.
    features : Features
    n_folds, keep_together, seed : see `cross_fit`
    """
    if len(candidates) < 2:
        return candidates[0]
    n = len(labels)
    names = list(map(str, range(n))) if keep_together is None else list(keep_together)
    test = folds(n, n_folds, keep_together=names, seed=seed)[0].numpy()
    train = np.setdiff1d(np.arange(n), test)
    noise = LocalNoise(None if features.points is None else features.points[test])
    scores = []
    for scale in candidates:
        predicted = learner_of(scale).predict(train, None, seed)[test]
        own = scale.apply(labels[test])
        density = _log_density(own, predicted, noise) + np.nan_to_num(scale.log_slope(labels[test]))
        scores.append(np.where(np.isnan(own), 0.0, density).sum(axis=1))
    gains = [score - scores[0] for score in scores]
    means = [float(gain.mean()) for gain in gains]
    errors = [float(gain.std(ddof=1) / np.sqrt(len(gain))) for gain in gains]
    best = int(np.argmax(means))
    return candidates[best] if means[best] > ERRORS * errors[best] else candidates[0]


def _log_density(labels: Values, predicted: Values, noise: LocalNoise) -> Values:
    """Return the log densities (n, d) of labels, given predictions, under the best Student's t with local noise."""
    residuals = labels - predicted
    weights = np.ones_like(residuals)
    for _ in range(2):
        deviation = noise.scale(residuals, weights, predicted, np.zeros_like(residuals))
        # Wrong labels hardly count: these are the weights of Student's t with 2 degrees of freedom in EM.
        weights = 3.0 / (2.0 + np.square(np.nan_to_num(residuals / deviation)))
    scaled = torch.from_numpy(residuals / deviation)
    result = np.empty_like(residuals)
    for column in range(residuals.shape[1]):
        own = scaled[:, [column]]
        best = None
        for density in candidates(AUTO):
            start = GroupMixture(0.95, torch.eye(1, dtype=torch.float64), density, PowerLaw(1.0, 1.0))
            found = fit_groups(own, [start], ["uniform"], [(0,)], tol=1e-3, max_iter=50)
            if best is None or found.log_likelihood[0] > best.log_likelihood[0]:
                best = found
        assert best is not None
        result[:, column] = best.mixtures.log_density(own).numpy()[:, 0]
    return np.asarray(result - np.log(deviation))
