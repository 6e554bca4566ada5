"""Rule: all labels of a sample are of another sample. Most of what is labelled is flagged, and by one cause."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors

from deepgum.audit.labels import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.finding import Explanation
from deepgum.audit.reasons.wrong_labels import LOG_2_PI, normal
from deepgum.wording import deviations, distance

__all__ = ["foreign"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_LEAST = 3
_NEAREST = 3
_CLEAR = 0.9


def foreign(case: Case) -> list[Explanation]:
    """Return the one explanation of samples with more flagged groups than others, and at least three numbers.

    Three things are expected of such labels, each as much as the others: that they are those of another sample here,
    which they then fit; that they lie as labels of samples do, one beside the other; or that they are wrong together
    and nothing else is known. A single number that is wrong could always be another sample's, so nothing is said of it.
    """
    labels, flags, labelled = case.labels, case.flags, case.labelled
    most = 2 * flags.sum(axis=1) > labelled.sum(axis=1)
    rows = np.flatnonzero(most & ((~np.isnan(labels.given)).sum(axis=1) >= _LEAST))
    if not len(rows):
        return []
    nearest, of_nearest = _of_another(case, rows)
    of_any = case.population.log_density(labels.given[rows])
    anyhow = np.where(labelled[rows], case.log_wrong[rows], 0.0).sum(axis=1)
    kinds = np.stack([of_nearest, of_any, anyhow])
    total: Values = logsumexp(kinds, axis=0)
    shares = np.exp(kinds - total)

    def why(place: int, group: int) -> str:
        row, columns = rows[place], list(labels.partition[group])
        count, wrong = int(labelled[row].sum()), int(flags[row].sum())
        which = "The label of this sample is" if count == 1 else f"{wrong} of {count} labels of this sample are"
        off = distance(labels.residuals[row, columns], case.unit)
        away = f"this is {off}, {deviations(labels.mahalanobis[row, group])} from its prediction"
        if shares[0, place] >= _CLEAR:
            fit = "fits" if count == 1 else "together fit"
            return f"{which} wrong, and {fit} '{labels.ids[nearest[place]]}'; {away}."
        return f"{which} wrong at once, as if of another sample; {away}."

    def suggest(place: int, group: int) -> tuple[Values, Values]:
        row, columns = rows[place], list(labels.partition[group])
        return labels.predicted[row, columns], np.square(case.deviation[row, columns])

    return [
        Explanation(
            reason=Reason.FOREIGN,
            mechanism="foreign",
            weight=1.0,
            rows=rows,
            covers=labelled[rows],
            log_likelihood=total - math.log(len(kinds)),
            suggest=suggest,
            why=why,
        )
    ]


def _of_another(case: Case, rows: Rows) -> tuple[Rows, Values]:
    """The sample whose predictions the labels of each row fit best, and their log density if all are equally likely."""
    labels = case.labels
    nearest, density = rows.copy(), np.full(len(rows), -np.inf)
    if len(labels) < 2:
        return nearest, density
    by_tree = ~np.isnan(labels.given[rows]).any(axis=1) & (not any(labels.periods or ()))
    if by_tree.any():
        some = rows[by_tree]
        neighbours = NearestNeighbors(n_neighbors=min(_NEAREST + 1, len(labels))).fit(_white(case, labels.predicted))
        distances, others = neighbours.kneighbors(_white(case, labels.given[some]))
        distances[others == some[:, None]] = np.inf  # another sample, not the label's own
        peak = sum(float(normal(np.zeros((1, len(c))), c).log_density[0]) for c in case.covariances)
        density[by_tree] = logsumexp(peak - 0.5 * np.square(distances), axis=1)
        nearest[by_tree] = others[np.arange(len(some)), distances.argmin(axis=1)]
    for place in np.flatnonzero(~by_tree).tolist():
        nearest[place], density[place] = _by_all(case, rows[place])
    return nearest, density - math.log(len(labels) - 1)


def _white(case: Case, values: Values) -> Values:
    """Return values (m, d) in a unit in which right labels' residuals are uncorrelated and of variance 1."""
    white = np.empty_like(values)
    for columns, covariance in zip(case.labels.partition, case.covariances, strict=True):
        white[:, columns] = solve_triangular(np.linalg.cholesky(covariance), values[:, columns].T, lower=True).T
    return white


def _by_all(case: Case, row: np.intp) -> tuple[np.intp, float]:
    """The same for one row with missing or periodic labels."""
    labels = case.labels
    seen = ~np.isnan(labels.given[row])
    residuals = case.wrapped(labels.given[row] - labels.predicted)
    density = np.full(len(labels), -0.5 * LOG_2_PI * seen.sum())
    for columns, covariance in zip(labels.partition, case.covariances, strict=True):
        part = [place for place, column in enumerate(columns) if seen[column]]
        if part:
            factor = np.linalg.cholesky(covariance[np.ix_(part, part)])
            white = solve_triangular(factor, residuals[:, [columns[place] for place in part]].T, lower=True)
            density -= 0.5 * np.square(white).sum(axis=0) + np.log(factor.diagonal()).sum()
    density[row] = -np.inf
    return density.argmax(), float(logsumexp(density))
