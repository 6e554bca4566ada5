"""Reason `swapped`: left and right are exchanged. If they are exchanged back, the labels agree with the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepgum.audit.reasons.base import Explanation, Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.known import known_findings
from deepgum.wording import distance

__all__ = ["Swapped"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


class Swapped(Reason):
    """The labels of left and right landmarks are exchanged. The exchanged labels are suggested.

    `swap_pairs` of the case lists pairs of left and right landmarks. There is one explanation for each pair, and one
    explanation for all pairs at once (mirrored images). An explanation covers both landmarks of a pair, even if only
    one landmark is flagged. If one landmark has no label, the label of the other landmark may belong to the landmark
    without a label. The prediction is then suggested.
    """

    name = "swapped"
    words = "left and right are exchanged"
    rank = 20
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding | Explanation]:
        """Yield findings from the posterior, one explanation for each pair of left and right landmarks, and one for all
        pairs at once.
        """
        yield from known_findings(self, case)
        pairs = case.swap_pairs
        exchanges = [(pair,) for pair in pairs] + ([pairs] if len(pairs) > 1 else [])
        for each in exchanges:
            explanation = _exchange(self, case, each, 1 / len(exchanges))
            if explanation is not None:
                yield explanation


def _exchange(reason: Reason, case: Case, pairs: tuple[tuple[int, int], ...], weight: float) -> Explanation | None:
    labels = case.labels
    partner = {a: b for left, right in pairs for a, b in ((left, right), (right, left))}
    moved = [2 * landmark + axis for landmark in partner for axis in (0, 1)]
    touched = sorted({case.group_of[column] for column in moved})
    complete = np.ones(len(labels), dtype=bool)
    for a, b in pairs:
        complete &= ~np.isnan(labels.given[:, [2 * a, 2 * a + 1, 2 * b, 2 * b + 1]]).all(axis=1)
    rows = np.flatnonzero(case.flags[:, touched].any(axis=1) & complete)
    if not len(rows):
        return None

    def exchange(row: Rows | int, columns: Sequence[int]) -> Values:
        """Return the labels of these columns after the exchange."""
        sources = [2 * partner.get(column // 2, column // 2) + column % 2 for column in columns]
        return np.asarray(labels.given[row][..., sources])

    log_likelihood = np.zeros(len(rows))
    for group in touched:
        columns = list(labels.partition[group])
        residuals = case.wrapped(exchange(rows, columns) - labels.predicted[rows][:, columns], columns)
        log_likelihood += case.log_right(residuals, rows, group)
    row, group_of_cell = case.labelled[np.ix_(rows, touched)].nonzero()
    cells = np.ones(len(row), dtype=bool), (row, np.array(touched)[group_of_cell])
    landmarks = labels.landmark_names

    def why(place: int, group: int) -> str:
        columns = list(labels.partition[group])
        before = distance(labels.residuals[rows[place], columns], case.unit)
        inside = {column // 2 for column in columns}
        exchanged = exchange(int(rows[place]), columns)
        if np.isnan(exchanged).all():
            return f"It is {before} from its prediction and fits {landmarks[partner[min(inside)]]}, which has no label."
        after = distance(case.wrapped(exchanged - labels.predicted[rows[place], columns], columns), case.unit)
        if len(inside) == 1:
            beginning = f"Exchanged with {landmarks[partner[min(inside)]]} it fits"
        else:
            names = [f"{landmarks[a]} and {landmarks[b]}" for a, b in pairs if inside & {a, b}]
            beginning = f"With {', '.join(names)} exchanged it fits"
        return f"{beginning}: {after} from the prediction, not {before}."

    def suggest(place: int, group: int) -> tuple[Values, Values]:
        row, columns = rows[place], list(labels.partition[group])
        values = exchange(int(row), columns)
        missing = np.isnan(values)
        variance = np.square(case.deviation[row, columns])
        return np.where(missing, labels.predicted[row, columns], values), np.where(missing, variance, 0.0)

    return Explanation(
        reason=reason,
        mechanism=f"swapped {pairs}",
        weight=weight,
        rows=rows,
        covers=csr_array(cells, shape=(len(rows), len(labels.partition))),
        log_likelihood=log_likelihood,
        suggest=suggest,
        why=why,
    )
