"""How `explain` puts the findings of rules together: their ranks, their columns, and the progress."""

from itertools import product

import numpy as np
import pytest

from deepgum.audit.reasons import Case, Explanation, Finding, Reason, explain

PARTITION = [[2, 0], [1], [3]]


class Rule(Reason):
    """A rule that says one thing about the first flagged labels."""

    words = "a rule"
    rank = 20
    name = "rule"

    def __init__(self, name, rank, count, rank_of_finding=None):
        self.name, self.rank, self.count, self.rank_of_finding = name, rank, count, rank_of_finding

    def find(self, case):
        for row, group in case.places[: self.count]:
            size = len(case.labels.partition[group])
            suggested = 100.0 * row + 10 * group + np.arange(size)
            yield Finding(self, (row, group), f"{self.name}.", suggested, 1 + np.arange(size), self.rank_of_finding)


def case_of(scored):
    given = np.zeros((6, 4))
    given[[1, 4], :] = 50.0
    given[4, 2] = np.nan
    case = Case.of(scored(given, np.zeros((6, 4)), PARTITION, width=120.0))
    assert case.places == list(product((1, 4), range(3)))
    return case


def test_a_suggestion_is_in_the_columns_of_its_group_and_a_missing_label_has_none(scored):
    result = explain(case_of(scored), [Rule("all", 30, 6)])
    expected, deviation = np.full((6, 4), np.nan), np.full((6, 4), np.nan)
    for row, group in product((1, 4), range(3)):
        for i, column in enumerate(PARTITION[group]):
            expected[row, column], deviation[row, column] = 100 * row + 10 * group + i, 1 + i
    expected[4, 2] = deviation[4, 2] = np.nan
    np.testing.assert_array_equal(result.suggested, expected)
    np.testing.assert_array_equal(result.uncertainty, deviation)


@pytest.mark.parametrize("order", [1, -1])
def test_the_lowest_rank_wins_and_a_finding_may_have_its_own(scored, order):
    rules = [Rule("late", 50, 6), Rule("early", 20, 2), Rule("own", 60, 4, 30)][::order]
    kinds = explain(case_of(scored), rules).kinds
    assert list(kinds.values()) == ["early", "early", "own", "own", "late", "late"]
    assert list(kinds) == list(product((1, 4), range(3)))


def test_of_equal_ranks_the_first_rule_wins(scored):
    result = explain(case_of(scored), [Rule("one", 20, 3), Rule("two", 20, 6)])
    assert list(result.kinds.values()) == ["one"] * 3 + ["two"] * 3
    assert result.why[1, 0] == "one."


@pytest.mark.parametrize("rules", [None, [], [Rule("one", 20, 3)]])
def test_the_progress_has_all_its_steps_in_order(scored, rules):
    calls = []
    explain(case_of(scored), rules, lambda done, total: calls.append((done, total)))
    total = calls[-1][1]
    assert calls == [(done, total) for done in range(1, total + 1)]


class Hypothesis(Reason):
    """A rule that explains all flags of the first sample, and remembers the cases to which it was applied."""

    words = "a hypothesis"
    rank = 20
    name = "hypothesis"

    def __init__(self, name, applied_once):
        self.name, self.applied_once, self.cases = name, applied_once, []

    def find(self, case):
        self.cases.append(case)
        covers = case.flags[[1]]
        yield Explanation(
            self, self.name, 1.0, np.array([1]), covers, np.array([0.0]),
            lambda place, group: (np.zeros(len(PARTITION[group])), np.ones(len(PARTITION[group]))),
            lambda place, group: "Explained.",
        )  # fmt: skip


@pytest.mark.parametrize("others", [0, 1])
def test_rules_that_depend_on_other_reasons_are_applied_to_the_flags_that_are_left(scored, others):
    again, once = Hypothesis("again", False), [Hypothesis("once", True)][:others]
    calls = []
    result = explain(case_of(scored), [*once, again], lambda done, total: calls.append((done, total)))
    first, second = again.cases
    assert first.explained is None
    assert second.explained[1].min() > 0.9
    assert not second.explained[4].any()
    assert all(len(rule.cases) == 1 for rule in once)
    assert {place for place, kind in result.kinds.items() if kind == "again"} <= set(product((1,), range(3)))
    total = 2 * (1 + others) + 2
    assert calls == [(done, total) for done in range(1, total + 1)]
