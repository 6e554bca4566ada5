"""The choice between explanations: an explanation is reported if it is far more probable than all alternatives.

The probability of each mistake is estimated from the flags: a mistake that recurs is more probable than a mistake that
explains a single label. For each label, only the cases of other labels are counted. (This is collapsed variational
Bayes of order zero: Asuncion, Welling, Smyth and Teh, "On Smoothing and Inference for Topic Models", UAI 2009.)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import Place
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
    # Explanations may share one array `covers`, which is then looked at once.
    different = {id(each.covers): each for each in explanations}
    pairs_of = {key: _pairs(each) for key, each in different.items()}
    covered = [pairs_of[id(each.covers)] for each in explanations]
    which = np.zeros_like(case.flags)
    for each, (place, group) in zip(explanations, covered, strict=True):
        which[each.rows[place], group] = True
    cells = np.flatnonzero(which)
    log_unexplained = case.log_unexplained(*np.divmod(cells, case.flags.shape[1]))
    entries, pairs, first = [], [], 0
    for number, (each, (place, group)) in enumerate(zip(explanations, covered, strict=True)):
        cell = np.searchsorted(cells, each.rows[place] * case.flags.shape[1] + group)
        unexplained = np.bincount(place, log_unexplained[cell], len(each.rows))
        factor = each.log_likelihood + rate - unexplained
        is_kept = factor > _LEAST_LOG_FACTOR
        kept = np.flatnonzero(is_kept)
        entries.append((np.full(len(kept), number), kept, each.rows[kept], factor[kept]))
        number_of = first + np.cumsum(is_kept) - 1
        pairs.append((number_of[place][is_kept[place]], group[is_kept[place]]))
        first += len(kept)
    if not entries:
        empty = np.zeros(0, dtype=np.intp)
        return Posterior(case, (), empty, empty, empty, empty, empty, np.zeros(0))
    index, place, row, factor = (np.concatenate(column) for column in zip(*entries, strict=True))
    entry, group = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return Posterior(case, tuple(explanations), index, place, row, entry, group, factor)


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
        labels, label = np.unique(self.row[entry] * flags.shape[1] + group, return_inverse=True)
        flagged = flags.reshape(-1)[labels]
        uncovered = float(flags.sum() - flagged.sum())
        by_label = np.argsort(label, kind="stable")
        first_of_label = np.flatnonzero(np.diff(label[by_label], prepend=-1))
        first_of_entry = np.flatnonzero(np.diff(entry, prepend=-1))
        probability = np.zeros(count)
        for _ in range(_ITERATIONS if count else 0):
            cases = np.bincount(mechanism, probability, len(names))[mechanism] - probability
            remainder = np.maximum(1 - np.bincount(label, probability[entry], len(labels)), 0.0) * flagged
            own = np.bincount(entry, remainder[label], count)
            unexplained = np.maximum(uncovered + remainder.sum() - own, 0.0) + _UNEXPLAINED
            odds = self.log_factor + np.log(np.maximum(cases, 0.0) + weight) - np.log(unexplained)
            # The alternatives of each label are its other entries, and no entry (log odds 0).
            total = np.logaddexp(0.0, np.logaddexp.reduceat(odds[entry][by_label], first_of_label))
            largest = np.full(count, -np.inf)
            largest[entry[first_of_entry]] = np.maximum.reduceat(total[label], first_of_entry)
            previous, probability = probability, np.exp(odds - largest)
            if np.abs(probability - previous).max(initial=0.0) < 1e-6:
                break
        return probability

    @cached_property
    def entries_at(self) -> dict[Place, list[int]]:
        """Mapping from each flagged label to the entries that explain this label."""
        entries: dict[Place, list[int]] = defaultdict(list)
        rows = self.row[self.entry]
        flagged = self.case.flags[rows, self.group]
        pairs = (each[flagged].tolist() for each in (rows, self.group, self.entry))
        for row, group, entry in zip(*pairs, strict=True):
            entries[row, group].append(entry)
        return dict(entries)

    @property
    def explained(self) -> Values:
        """Probability (n, g) that some explanation of a label is true; 0 where there is no flag."""
        explained = np.zeros(self.case.flags.shape)
        for place, entries in self.entries_at.items():
            explained[place] = min(1.0, float(self.probability[entries].sum()))
        return explained

    def findings(self) -> list[Finding]:
        """Return a finding for each flagged label that has a reason with odds of at least `LEAST_ODDS`.

        If several explanations of this reason apply, the finding reports the most probable explanation.
        """
        findings, probability = [], self.probability.tolist()
        names = [self.explanations[number].reason.name for number in self.index.tolist()]
        for place, entries in self.entries_at.items():
            shares: dict[str, float] = defaultdict(float)
            for entry in entries:
                shares[names[entry]] += probability[entry]
            name = max(shares, key=lambda each: shares[each])
            share = min(shares[name], 1 - _TINY)
            if share >= LEAST_ODDS * (1 - share):
                own = [entry for entry in entries if names[entry] == name]
                findings.append(self._finding(place, entries, max(own, key=lambda entry: probability[entry])))
        return findings

    def _explanation(self, entry: int) -> Explanation:
        return self.explanations[int(self.index[entry])]

    def _finding(self, at: Place, entries: list[int], best: int) -> Finding:
        """Return the finding of the entry `best`.

        The uncertainty of the suggestion includes the other entries, and the case that no entry is true.
        """
        row, group = at
        case, columns = self.case, list(self.case.labels.partition[group])
        explanation, place = self._explanation(best), int(self.place[best])
        suggested, _ = explanation.suggest(place, group)
        each = [self._explanation(entry).suggest(int(self.place[entry]), group) for entry in entries]
        others, own = (np.array(values) for values in zip(*each, strict=True))
        probability = self.probability[entries]
        variance = probability @ (np.square(case.wrapped(others - suggested, columns)) + own)
        remainder = max(1 - float(probability.sum()), _TINY)
        difference = case.wrapped(case.labels.predicted[row, columns] - suggested, columns)
        variance += remainder * (np.square(difference) + np.square(case.deviation[row, columns]))
        return Finding(explanation.reason, at, explanation.why(place, group), suggested, np.sqrt(variance))
