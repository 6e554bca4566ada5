"""The choice between explanations: their probabilities satisfy their equations, written out entry by entry."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from deepgum.audit.reasons import Case, weigh
from deepgum.audit.reasons.base import Explanation, Reason

N, G = 40, 3
MISTAKES = (("a", "one", 0.5), ("a", "two", 0.2), ("b", "one", 1.0), ("b", "one", 1.0))


class Named(Reason):
    """A reason without a rule."""

    words = "named"
    rank = 20
    name = "named"

    def __init__(self, name):
        self.name = name

    def find(self, case):
        return ()


def case_of(scored):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(N, G))
    given = truth + rng.normal(size=(N, G))
    given[rng.random((N, G)) < 0.4] += 25
    given[rng.random((N, G)) < 0.1] = np.nan
    case = Case.of(scored(given, truth, width=80.0))
    assert 20 < case.flags.sum() < 60
    return case


def explanations_of(case, sparse=False):
    """Return explanations that cover one or several labels, flagged or not, more or less probable than no mistake."""
    rng, found = np.random.default_rng(1), []
    for name, mechanism, weight in MISTAKES:
        rows = rng.integers(0, N, 30)
        covers = case.labelled[rows] & (rng.random((30, G)) < 0.6)
        rows, covers = rows[covers.any(axis=1)], covers[covers.any(axis=1)]
        unexplained = [
            sum(case.log_unexplained(np.array([row]), np.array([group]))[0] for group in np.flatnonzero(own))
            for row, own in zip(rows, covers, strict=True)
        ]
        density = np.array(unexplained) + rng.uniform(-14, 9, len(rows))
        suggested = rng.normal(0, 20, (len(rows), G))

        def suggest(place, group, suggested=suggested):
            return suggested[place, [group]], np.array([0.25 * (place + 1)])

        found.append(
            Explanation(
                Named(name), mechanism, weight, rows, csr_array(covers) if sparse else covers, density,
                suggest, lambda place, group: f"{place} {group}",
            )
        )  # fmt: skip
    return found


def entries_of(case, explanations):
    """Return (explanation, place, row, groups, log factor) of each entry that is not far too improbable."""
    rate, found = math.log(case.wrong.mean()), []
    for number, each in enumerate(explanations):
        for place, row in enumerate(each.rows):
            groups = np.flatnonzero(each.covers[place])
            unexplained = case.log_unexplained(np.full(len(groups), row), groups).sum()
            factor = each.log_likelihood[place] + rate - unexplained
            if factor > -10:
                found.append((number, place, row, groups, factor))
    return found


def equation(case, explanations, entries, probability):
    """Return the right-hand side of the equation of each probability."""
    left = {(row, group): 1.0 for row, group in case.places}
    for (_, _, row, groups, _), p in zip(entries, probability, strict=True):
        for group in groups:
            if (row, group) in left:
                left[row, group] -= p
    left = {place: max(value, 0.0) for place, value in left.items()}
    kinds = [(explanations[number].reason.name, explanations[number].mechanism) for number, *_ in entries]
    odds = []
    for e, (number, _, row, groups, factor) in enumerate(entries):
        others = sum(p for i, p in enumerate(probability) if kinds[i] == kinds[e] and i != e)
        unexplained = sum(left.values()) - sum(left.get((row, group), 0.0) for group in groups) + 3.0
        odds.append(math.exp(factor) * (others + explanations[number].weight) / unexplained)
    found = []
    for e, (_, _, row, groups, _) in enumerate(entries):
        # The label with the most alternatives counts.
        totals = [
            1 + sum(o for o, (_, _, other, own, _) in zip(odds, entries, strict=True) if other == row and group in own)
            for group in groups
        ]
        found.append(odds[e] / max(totals))
    return np.array(found)


@pytest.mark.parametrize("sparse", [False, True])
def test_entries_and_their_probabilities_satisfy_their_equations(scored, sparse):
    case = case_of(scored)
    explanations = explanations_of(case)
    entries = entries_of(case, explanations)
    posterior = weigh(case, explanations_of(case, sparse))
    assert len(entries) < sum(len(each.rows) for each in explanations)
    np.testing.assert_array_equal(posterior.index, [each[0] for each in entries])
    np.testing.assert_array_equal(posterior.place, [each[1] for each in entries])
    np.testing.assert_array_equal(posterior.row, [each[2] for each in entries])
    np.testing.assert_allclose(posterior.log_factor, [each[4] for each in entries])
    for entry, (_, _, _, groups, _) in enumerate(entries):
        np.testing.assert_array_equal(np.sort(posterior.group[posterior.entry == entry]), groups)
    probability = posterior.probability
    assert 0.02 < np.mean(probability > 0.5) < 0.98
    np.testing.assert_allclose(equation(case, explanations, entries, probability), probability, atol=1e-4)


def test_a_label_is_explained_if_some_entry_is_true(scored):
    case = case_of(scored)
    explanations = explanations_of(case)
    posterior, expected = weigh(case, explanations), np.zeros((N, G))
    for (_, _, row, groups, _), p in zip(entries_of(case, explanations), posterior.probability, strict=True):
        expected[row, groups] += p
    np.testing.assert_allclose(posterior.explained, np.where(case.flags, np.minimum(expected, 1), 0))


@pytest.mark.parametrize("period", [None, 30.0])
def test_findings_are_the_best_entry_of_a_reason_with_odds_of_nine(scored, period):
    case = case_of(scored)
    if period is not None:
        case = replace(case, labels=replace(case.labels, periods=(period,) * G))
    explanations = explanations_of(case)
    posterior = weigh(case, explanations)
    entries, probability = entries_of(case, explanations), posterior.probability
    found = {finding.place: finding for finding in posterior.findings()}

    def shortest(difference):
        return difference if period is None else difference - period * round(difference / period)

    expected = set()
    for row, group in case.places:
        own = [e for e, (_, _, other, groups, _) in enumerate(entries) if other == row and group in groups]
        by_reason = {name: [e for e in own if explanations[entries[e][0]].reason.name == name] for name in "ab"}
        shares = {name: sum(probability[e] for e in each) for name, each in by_reason.items()}
        name = max(shares, key=shares.get)
        if shares[name] < 0.9:
            continue
        expected.add((row, group))
        finding, best = found[row, group], max(by_reason[name], key=lambda e: probability[e])
        number, place, *_ = entries[best]
        assert (finding.reason.name, finding.why) == (name, f"{place} {group}")
        suggested = explanations[number].suggest(place, group)[0][0]
        assert finding.suggested[0] == suggested
        # Every other entry, and the prediction if no entry is true, has its squared distance and its own variance.
        variance = 0.0
        for e in own:
            label, rounding = explanations[entries[e][0]].suggest(entries[e][1], group)
            variance += probability[e] * (shortest(label[0] - suggested) ** 2 + rounding[0])
        nothing = max(1 - sum(probability[e] for e in own), np.finfo(float).eps)
        away = shortest(case.labels.predicted[row, group] - suggested)
        variance += nothing * (away**2 + case.deviation[row, group] ** 2)
        assert finding.uncertainty[0] == pytest.approx(math.sqrt(variance))
    assert set(found) == expected
    assert 0 < len(expected) < len(case.places)
