"""Reason `foreign`: all labels of a sample belong to another sample, so most of these labels are flagged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors

from deepgum.audit.reasons.base import Explanation, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.gaussian import LOG_2_PI, normal
from deepgum.wording import deviations, distance

__all__ = ["Foreign"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_LEAST_NUMBERS = 3
"""Minimum number of single labels (numbers) that a sample must have for this reason."""

_NEAREST = 3
"""Number of nearest samples whose densities are added."""

_CLEAR = 0.9
"""The nearest sample is named if the labels belong to it with at least this probability."""


class Foreign(Reason):
    """All labels of a sample belong to another sample. The prediction is suggested.

    The rule applies to samples with at least three labels (numbers) and flags in most groups. Before the labels are
    compared, three cases are equally probable: the labels agree with the predictions of another sample of the data set;
    the labels are distributed like the labels of some unknown sample; or each label is wrong for no known reason. The
    rule ignores samples with one or two numbers, because a few wrong numbers could always belong to another sample.
    """

    name = "foreign"
    words = "all labels seem to belong to another sample"
    rank = 20

    def find(self, case: Case) -> Iterator[Explanation]:
        """Yield one explanation for all samples with enough flags."""
        labels, flags, labelled = case.labels, case.flags, case.labelled
        mostly_flagged = 2 * flags.sum(axis=1) > labelled.sum(axis=1)
        rows = np.flatnonzero(mostly_flagged & ((~np.isnan(labels.given)).sum(axis=1) >= _LEAST_NUMBERS))
        if not len(rows):
            return
        nearest, log_nearest = _nearest_sample(case, rows)
        log_any = case.population.log_density(labels.given[rows])
        place_of, group_of = labelled[rows].nonzero()
        log_wrong = np.bincount(place_of, case.log_wrong(rows[place_of], group_of), len(rows))
        cases = np.stack([log_nearest, log_any, log_wrong])
        total: Values = logsumexp(cases, axis=0)
        shares = np.exp(cases - total)

        def why(place: int, group: int) -> str:
            row, columns = rows[place], list(labels.partition[group])
            count, wrong = int(labelled[row].sum()), int(flags[row].sum())
            subject = "The label of this sample is" if count == 1 else f"{wrong} of {count} labels of this sample are"
            length = distance(labels.residuals[row, columns], case.unit)
            away = f"this is {length}, {deviations(labels.mahalanobis[row, group])} from its prediction"
            if shares[0, place] >= _CLEAR:
                fit = "fits" if count == 1 else "together fit"
                return f"{subject} wrong, and {fit} '{labels.ids[nearest[place]]}'; {away}."
            return f"{subject} wrong, as after a mix-up of samples; {away}."

        def suggest(place: int, group: int) -> tuple[Values, Values]:
            row, columns = rows[place], list(labels.partition[group])
            return labels.predicted[row, columns], np.square(case.deviation[row, columns])

        yield Explanation(
            reason=self,
            mechanism="foreign",
            weight=1.0,
            rows=rows,
            covers=labelled[rows],
            log_likelihood=total - math.log(len(cases)),
            suggest=suggest,
            why=why,
        )


def _nearest_sample(case: Case, rows: Rows) -> tuple[Rows, Values]:
    """Return two arrays: for each row, the other sample with predictions nearest to the labels, and the log density.

    The log density of the labels of a row assumes that the labels belong to one of the other samples. All other samples
    are equally probable.
    """
    labels = case.labels
    nearest, density = rows.copy(), np.full(len(rows), -np.inf)
    if len(labels) < 2:
        return nearest, density
    whole = np.flatnonzero(~np.isnan(labels.predicted).any(axis=1))  # a missing label needs no prediction
    by_tree = ~np.isnan(labels.given[rows]).any(axis=1) & (not any(labels.periods or ())) & (len(whole) > 1)
    if by_tree.any():
        tree_rows = rows[by_tree]
        neighbours = NearestNeighbors(n_neighbors=min(_NEAREST + 1, len(whole)))
        neighbours.fit(_whiten(case, labels.predicted[whole]))
        distances, places = neighbours.kneighbors(_whiten(case, labels.given[tree_rows]))
        others = whole[places]
        distances[others == tree_rows[:, None]] = np.inf  # leave out the sample itself
        peak = sum(float(normal(np.zeros((1, len(c))), c).log_density[0]) for c in case.covariances)
        density[by_tree] = logsumexp(peak - 0.5 * np.square(distances), axis=1)
        nearest[by_tree] = others[np.arange(len(tree_rows)), distances.argmin(axis=1)]
    for place in np.flatnonzero(~by_tree).tolist():
        nearest[place], density[place] = _nearest_of_all(case, rows[place])
    return nearest, density - math.log(len(labels) - 1)


def _whiten(case: Case, values: Values) -> Values:
    """Transform values (m, d) so that the residuals of right labels become uncorrelated, with variance 1."""
    white = np.empty_like(values)
    for columns, covariance in zip(case.labels.partition, case.covariances, strict=True):
        white[:, columns] = solve_triangular(np.linalg.cholesky(covariance), values[:, columns].T, lower=True).T
    return white


def _nearest_of_all(case: Case, row: np.intp) -> tuple[np.intp, float]:
    """Return the same pair as `_nearest_sample` for one row, with missing or periodic labels.

    The log density is without the factor for equally probable samples.
    """
    labels = case.labels
    seen = ~np.isnan(labels.given[row])
    residuals = case.wrapped(labels.given[row] - labels.predicted)
    unknown = np.isnan(residuals[:, seen]).any(axis=1)  # samples without a prediction of these labels
    residuals[unknown] = 0.0
    density = np.full(len(labels), -0.5 * LOG_2_PI * seen.sum())
    for columns, covariance in zip(labels.partition, case.covariances, strict=True):
        part = [place for place, column in enumerate(columns) if seen[column]]
        if part:
            factor = np.linalg.cholesky(covariance[np.ix_(part, part)])
            white = solve_triangular(factor, residuals[:, [columns[place] for place in part]].T, lower=True)
            density -= 0.5 * np.square(white).sum(axis=0) + np.log(factor.diagonal()).sum()
    density[unknown], density[row] = -np.inf, -np.inf
    return density.argmax(), float(logsumexp(density))
