"""The choice between explanations: an explanation is reported if it is far more probable than all alternatives.

The probability of each mistake is estimated from the flags: a mistake that recurs is more probable than a mistake that
explains a single label. For each label, only the cases of other labels are counted. (This is collapsed variational
Bayes of order zero: Asuncion, Welling, Smyth and Teh, "On Smoothing and Inference for Topic Models", UAI 2009.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Explanation, Finding
from deepgum.audit.reasons.case import Case

__all__ = ["LEAST_ODDS", "Posterior", "weigh"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

LEAST_ODDS = 9.0
"""A reason is reported if the odds of all its explanations against all alternatives are at least this number."""

_UNEXPLAINED = 3.0
"""Prior count of unexplained flags. It equals the total prior count of the three built-in reasons with explanations."""

_LEAST_LOG_FACTOR = -10.0
"""Minimum log Bayes factor of an entry. Entries below the minimum are left out."""

_ITERATIONS = 100
_TINY = float(np.finfo(np.float64).eps)


def weigh(case: Case, explanations: Sequence[Explanation]) -> Posterior:
    """Return the posterior of explanations.

    The alternatives of an explanation are the other explanations, and that no explanation is true.
    """
    rate = math.log(float(case.wrong.mean()))
    # Explanations may share the arrays `rows` and `covers`, which are then looked at once.
    different = {_key(each): each for each in explanations}
    covered = {key: _pairs(each) for key, each in different.items()}
    cells = {key: different[key].rows[place] * case.flags.shape[1] + group for key, (place, group) in covered.items()}
    which = np.zeros(case.flags.size, dtype=bool)
    for each in cells.values():
        which[each] = True
    seen = np.flatnonzero(which)
    log_density = case.log_unexplained(*np.divmod(seen, case.flags.shape[1]))
    unexplained = {
        key: np.bincount(covered[key][0], log_density[np.searchsorted(seen, each)], len(different[key].rows))
        for key, each in cells.items()
    }
    entries, pairs, first = [], [], 0
    for number, explanation in enumerate(explanations):
        key = _key(explanation)
        place, group = covered[key]
        factor = explanation.log_likelihood + rate - unexplained[key]
        is_kept = factor > _LEAST_LOG_FACTOR
        kept = np.flatnonzero(is_kept)
        entries.append((np.full(len(kept), number), kept, explanation.rows[kept], factor[kept]))
        number_of = first + np.cumsum(is_kept) - 1
        pairs.append((number_of[place][is_kept[place]], group[is_kept[place]]))
        first += len(kept)
    if not entries:
        empty = np.zeros(0, dtype=np.intp)
        return Posterior(case, (), empty, empty, empty, empty, empty, np.zeros(0))
    index, place, row, factor = (np.concatenate(column) for column in zip(*entries, strict=True))
    entry, group = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return Posterior(case, tuple(explanations), index, place, row, entry, group, factor)


def _key(explanation: Explanation) -> tuple[int, int]:
    return id(explanation.rows), id(explanation.covers)


def _pairs(explanation: Explanation) -> tuple[Rows, Rows]:
    """Return the places (p,) and the groups (p,) of the labels that an explanation covers, sorted by places."""
    if isinstance(explanation.covers, np.ndarray):
        places, groups = explanation.covers.nonzero()
        return places, groups
    places, groups = explanation.covers.tocoo().coords
    return places.astype(np.intp), groups.astype(np.intp)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Probabilities of explanations. One entry is one explanation applied to one sample.

    Very improbable entries are left out.

    Attributes
    ----------
    case : Case
    explanations : tuple of Explanation
    index, place, row : arrays (e,) of int
        For each entry: the position of its explanation in `explanations`, the position of its sample in the
        explanation, and the row of the sample.
    entry, group : arrays (p,) of int
        Pairs of an entry and a group whose label the entry explains, in the order of the entries.
    log_factor : array (e,)
        Log Bayes factor of each entry: the log density of the labels under the explanation, minus the log density if no
        explanation is true.
    """

    case: Case
    explanations: tuple[Explanation, ...]
    index: Rows
    place: Rows
    row: Rows
    entry: Rows
    group: Rows
    log_factor: Values

    @cached_property
    def probability(self) -> Values:
        """Probability (e,) that each entry is true. Other entries that explain the same labels are alternatives."""
        keys = [(each.reason.name, each.mechanism) for each in self.explanations]
        names = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        mechanism = np.array([names[key] for key in keys], dtype=np.intp)[self.index]
        weight = np.array([each.weight for each in self.explanations])[self.index]
        flags, count, entry, group = self.case.flags, len(self.row), self.entry, self.group
        probability = np.zeros(count)
        if not count:
            return probability
        labels, label = np.unique(self.row[entry] * flags.shape[1] + group, return_inverse=True)
        flagged = flags.reshape(-1)[labels]
        uncovered = float(flags.sum() - flagged.sum())
        first = np.flatnonzero(np.diff(entry, prepend=-1))
        # The alternatives of each label are its other entries, and no entry (factor 1). All factors of a label are
        # divided by the largest one, so that none is too large for a number.
        log_factor, largest = self.log_factor[entry], np.zeros(len(labels))
        np.maximum.at(largest, label, log_factor)
        factor, no_entry = np.exp(log_factor - largest[label]), np.exp(-largest)
        for _ in range(_ITERATIONS):
            cases = np.bincount(mechanism, probability, len(names))[mechanism] - probability
            remainder = np.maximum(1 - np.bincount(label, probability[entry], len(labels)), 0.0) * flagged
            own = np.bincount(entry, remainder[label], count)
            unexplained = np.maximum(uncovered + remainder.sum() - own, 0.0) + _UNEXPLAINED
            prior_odds = (np.maximum(cases, 0.0) + weight) / unexplained
            odds = factor * prior_odds[entry]
            share = odds / (no_entry + np.bincount(label, odds, len(labels)))[label]
            previous, probability = probability, np.zeros(count)
            probability[entry[first]] = np.minimum.reduceat(share, first)
            if np.abs(probability - previous).max() < 1e-6:
                break
        return probability

    @cached_property
    def _cases(self) -> tuple[Rows, Rows]:
        """The pairs of an entry and a flagged label that the entry explains: entries (p,), and row * g + group (p,)."""
        cell = self.row[self.entry] * self.case.flags.shape[1] + self.group
        flagged = self.case.flags.reshape(-1)[cell]
        return self.entry[flagged], cell[flagged]

    @property
    def explained(self) -> Values:
        """Probability (n, g) that some explanation of a label is true; 0 where there is no flag."""
        entry, cell = self._cases
        explained = np.bincount(cell, self.probability[entry], self.case.flags.size)
        return np.minimum(explained, 1.0).reshape(self.case.flags.shape)

    def findings(self) -> list[Finding]:
        """Return a finding for each flagged label that has a reason with odds of at least `LEAST_ODDS`.

        If several explanations of this reason apply, the finding reports the most probable explanation. The uncertainty
        of the suggestion includes the other entries, and the case that no entry is true.
        """
        entry, cell = self._cases
        if not len(entry):
            return []
        names = list(dict.fromkeys(each.reason.name for each in self.explanations))
        reason = np.array([names.index(each.reason.name) for each in self.explanations], dtype=np.intp)[self.index]
        cells, label = np.unique(cell, return_inverse=True)
        place = label * len(names) + reason[entry]
        shares = np.bincount(place, self.probability[entry], len(cells) * len(names)).reshape(len(cells), -1)
        if not shares.size:
            return []
        best = shares.argmax(axis=1)
        share = np.minimum(shares.max(axis=1), 1 - _TINY)
        is_reported = share >= LEAST_ODDS * (1 - share)
        reported = is_reported[label]
        entry, label = entry[reported], (np.cumsum(is_reported) - 1)[label[reported]]
        order = np.argsort(label, kind="stable")
        entry, label = entry[order], label[order]
        is_best = reason[entry] == best[is_reported][label]
        own = np.flatnonzero(is_best)
        own = own[np.lexsort((-self.probability[entry[own]], label[own]))]
        most_probable = own[np.diff(label[own], prepend=-1) > 0]
        return self._findings(cells[is_reported], entry, label, most_probable) if len(own) else []

    def _findings(self, cells: Rows, entry: Rows, label: Rows, best: Rows) -> list[Finding]:
        """Return the findings of labels (l,), given the pairs (p,) of an entry and a label, and the best pairs (l,)."""
        case, probability = self.case, self.probability[entry]
        places = [divmod(cell, case.flags.shape[1]) for cell in cells.tolist()]
        explanations = [self.explanations[number] for number in self.index[entry].tolist()]
        samples = self.place[entry].tolist()
        groups = [places[number][1] for number in label.tolist()]
        suggestions = [
            each.suggest(sample, group) for each, sample, group in zip(explanations, samples, groups, strict=True)
        ]
        # The coordinates of all labels are in one array: their owners, rows and columns. So are those of all pairs.
        partition = case.labels.partition
        sizes = np.array([len(partition[group]) for _, group in places], dtype=np.intp)
        owner, starts = np.repeat(np.arange(len(places)), sizes), np.cumsum(sizes) - sizes
        rows = np.array([row for row, _ in places])[owner]
        columns = np.array([column for _, group in places for column in partition[group]], dtype=np.intp)
        pair = np.repeat(np.arange(len(label)), sizes[label])
        at = starts[label[pair]] + np.arange(len(pair)) - np.searchsorted(pair, pair)
        values, variances = (np.concatenate(each) for each in zip(*suggestions, strict=True))
        suggested, is_best = np.empty(len(owner)), np.isin(np.arange(len(label)), best)[pair]
        suggested[at[is_best]] = values[is_best]
        squared = np.square(case.wrapped(values - suggested[at], columns[at])) + variances
        variance = np.bincount(at, probability[pair] * squared, len(owner))
        remainder = np.maximum(1 - np.bincount(label, probability, len(places)), _TINY)
        difference = case.wrapped(case.labels.predicted[rows, columns] - suggested, columns)
        variance += remainder[owner] * (np.square(difference) + np.square(case.deviation[rows, columns]))
        uncertainty = np.sqrt(variance)
        return [
            Finding(
                explanations[pair].reason,
                place,
                explanations[pair].why(samples[pair], place[1]),
                suggested[start : start + size],
                uncertainty[start : start + size],
            )
            for place, pair, start, size in zip(places, best.tolist(), starts.tolist(), sizes.tolist(), strict=True)
        ]
