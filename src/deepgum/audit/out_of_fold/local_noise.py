"""The scale of the residuals of right labels, for each sample, because noise differs between the rows of a table.

The residual of a right label has two sources: the noise of the label and the error of the learner. The noise is
estimated from the neighbours of the sample. The error is estimated by the jackknife: the variance between the
predictions of several learners, each trained without a different fold. Residuals are divided by the standard deviation
of the sum of noise and error. A sample has neighbours with similar features and neighbours with similar predictions.
Features alone do not suffice, because in many dimensions no sample is near. Predictions alone do not suffice, because
samples with the same prediction may have different noise.

If samples come in runs, the neighbours of a sample belong to other runs. Otherwise a run of wrong labels would be taken
for a run of noisy labels.

The noise of the neighbours is averaged with the mean noise of all samples, which is more certain but less local. How
much the mean counts is decided by the likelihood of the residuals. This likelihood is held out, because no sample is a
neighbour of itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.posteriors.densities import StudentT
from deepgum.posteriors.em import fit_groups
from deepgum.posteriors.group_mixtures import GroupMixture
from deepgum.posteriors.power_law import PowerLaw

__all__ = ["LocalNoise", "jackknife"]

Values = NDArray[np.float64]

IN_FEATURES, IN_PREDICTION = 30, 50
"""Number of neighbours with similar features, and number of neighbours with similar predictions."""

OVERALL = 10.0, 3.0, 1.0, 0.3
"""Weights of the mean noise of all samples that are tried. The weight of each neighbour is 1."""

GAIN, ERRORS = 0.05, 3.0
"""Another weight than the first must make labels more likely by this number of nats on average, and by this number of
standard errors. The more local the noise is, the less it is certain, and the less wrong labels stand out."""

LEAST_ROWS = 100
"""Minimum number of labels for the choice."""

FREEDOM = 2.0, 5.0, 20.0
"""Degrees of freedom of Student's t in the likelihood."""


class LocalNoise:
    """An estimator of the scale of the residuals of right labels, for each sample.

    Parameters
    ----------
    points : array (n, p) or None
        Near points have similar features; see `standardised`. None if the features give no points: the noise is then
        that of samples with similar predictions.
    runs : array (n,) of int, optional
        The run of each sample; by default each sample is a run of its own.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(size=(2000, 1))
    >>> residuals = rng.normal(size=(2000, 1)) * np.where(x < 0.5, 1.0, 3.0)
    >>> scale = LocalNoise(x).scale(residuals, np.ones((2000, 1)), x, np.zeros((2000, 1)))
    >>> bool(scale[x < 0.4].mean() < 1.5), bool(scale[x > 0.6].mean() > 2.5)
    (True, True)
    """

    def __init__(self, points: Values | None, runs: NDArray[np.intp] | None = None) -> None:
        self._runs = runs
        self._around = None if points is None else _nearest(points, IN_FEATURES, runs)

    def scale(self, residuals: Values, right: Values, predictions: Values, unknown: Values) -> Values:
        """Return the standard deviation (n, d) of the residual of a right label, for each sample.

        Parameters
        ----------
        residuals : array (n, d)
            Labels minus predictions; NaN where a label is missing.
        right : array (n, d)
            Probability that each label is right.
        predictions : array (n, d)
        unknown : array (n, d)
            Variance of each prediction; see `jackknife`.
        """
        scales = np.empty_like(residuals)
        for column in range(residuals.shape[1]):
            seen = ~np.isnan(residuals[:, column])
            weight = np.where(seen, right[:, column], 0.0)
            squares = weight * np.where(seen, residuals[:, column], 0.0) ** 2
            overall = squares.sum() / max(weight.sum(), 1e-300)
            by_prediction = _nearest(predictions[:, [column]], IN_PREDICTION, self._runs)
            neighbours = [by_prediction] if self._around is None else [self._around, by_prediction]
            sums = [(squares[near].sum(axis=1), weight[near].sum(axis=1)) for near in neighbours]
            tried = []
            for amount in OVERALL:
                noise = [(total + amount * overall) / (mass + amount) for total, mass in sums]
                tried.append(np.sqrt((np.sqrt(noise[0] * noise[1]) if noise[1:] else noise[0]) + unknown[:, column]))
            scales[:, column] = tried[_most_likely(residuals[seen, column], np.stack(tried)[:, seen])]
        # If all residuals are 0, the scale does not matter.
        return np.where(scales > 0, scales, 1.0)


def jackknife(predictions: Sequence[Values], folds: int) -> Values:
    """Return the jackknife variance (n, d) of predictions, from one learner per fold.

    `folds` is the number of folds. Each item of `predictions` is an array (n, d): the predictions of a learner that was
    trained without one of the folds, a different fold for each learner.
    """
    variance: Values = (folds - 1) * np.var(np.stack(list(predictions)), axis=0)
    return variance


def _nearest(points: Values, count: int, runs: NDArray[np.intp] | None = None) -> NDArray[np.int64]:
    """Return the nearest points (n, `count`) of each point, in other runs only if there are runs.

    The count is smaller if a point has fewer neighbours.
    """
    # Imported late: importing scikit-learn takes a second.
    from sklearn.neighbors import NearestNeighbors

    n = len(points)
    tree = NearestNeighbors().fit(points)
    if runs is None:
        return np.asarray(tree.kneighbors(n_neighbors=min(count, n - 1), return_distance=False), dtype=np.int64)
    largest = int(np.bincount(runs).max())
    count = min(count, n - largest)
    nearest, rows, most = np.empty((n, count), dtype=np.int64), np.arange(n if count else 0), count
    while len(rows):
        # Rows with too few neighbours of other runs are searched again, among twice as many neighbours.
        most = min(2 * most, n)
        found = tree.kneighbors(points[rows], n_neighbors=most, return_distance=False)
        is_other = runs[found] != runs[rows, None]
        enough = is_other.sum(axis=1) >= count
        order = np.argsort(~is_other[enough], axis=1, kind="stable")[:, :count]
        nearest[rows[enough]] = np.take_along_axis(found[enough], order, axis=1)
        rows = rows[~enough]
    return nearest


def _most_likely(residuals: Values, scales: Values) -> int:
    """Return the place of the scale, among scales (c, m), under which residuals (m,) are clearly most likely.

    The first scale stays if no other is clearly better. Student's t leaves wrong labels little influence.
    """
    if len(residuals) < LEAST_ROWS or not (scales > 0).all():
        return 0
    scaled = torch.from_numpy((residuals / scales).T)
    places = [(place,) for place in range(len(scales))]
    best, densities = np.full(len(scales), -np.inf), np.zeros(scales.shape)
    for freedom in FREEDOM:
        start = GroupMixture(0.99, torch.eye(1, dtype=torch.float64), StudentT(freedom), PowerLaw(1.0, 1.0))
        fitted = fit_groups(scaled, [start] * len(places), ["none"] * len(places), places, tol=1e-3, max_iter=30)
        density = fitted.mixtures.log_right(scaled).numpy().T - np.log(scales)
        better = density.sum(axis=1) > best
        best[better], densities[better] = density.sum(axis=1)[better], density[better]
    gains = densities - densities[0]
    errors = gains.std(axis=1) / np.sqrt(len(residuals))
    clear = gains.mean(axis=1) > np.maximum(GAIN, ERRORS * errors)
    return int(np.argmax(np.where(clear, gains.mean(axis=1), 0.0)))
