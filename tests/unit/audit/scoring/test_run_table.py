"""The table of runs: counts in a plain loop, and the bound of the share against the exact distribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.scoring.run_table import runs_worst_first
from deepgum.audit.summary import AuditSummary, DataSource, RunSummary
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.shares import Share


def scored(right, kinds=None):
    n, g = right.shape
    values = np.zeros((n, g))
    names = tuple(f"y{column}" for column in range(g))
    return ScoredLabels(
        tuple(map(str, range(n))), names, names, tuple((column,) for column in range(g)), values, values, right, values,
        values, values, kinds=kinds or {},
    )  # fmt: skip


def test_labels_flags_and_reasons_are_counted_run_by_run():
    rng = np.random.default_rng(0)
    right = rng.random((200, 2))
    right[rng.random(right.shape) < 0.2] = np.nan
    values = rng.integers(0, 7, size=200).tolist()
    flagged = [tuple(map(int, place)) for place in np.argwhere(right < 0.5)]
    kinds = {place: "unit" if place[0] % 3 == 0 else "off" for place in flagged}
    table = runs_worst_first(scored(right, kinds), Runs.of(values), [0, 1])
    assert sorted(each.name for each in table) == [str(value) for value in range(7)]
    for each in table:
        rows = [row for row in range(200) if values[row] == int(each.name)]
        own = right[rows][~np.isnan(right[rows])]
        assert (each.labels, each.flags) == (len(own), (own < 0.5).sum())
        assert each.share.estimate == pytest.approx((1 - own).mean())
        reasons = [kinds[place] for place in flagged if place[0] in rows]
        assert reasons.count(each.reason) == max(map(reasons.count, ("unit", "off")))
    assert [each.share.low for each in table] == sorted((each.share.low for each in table), reverse=True)


@pytest.mark.parametrize(("wrong", "labels"), [(1, 1), (1, 30), (5, 30), (30, 30), (40, 400)])
def test_the_bound_is_that_of_the_exact_binomial_test(wrong, labels):
    right = np.ones((labels, 1))
    right[:wrong] = 0
    (only,) = runs_worst_first(scored(right), Runs.of(["a"] * labels), [0])
    interval = binomtest(wrong, labels).proportion_ci(0.95, "exact")
    assert only.share.low == pytest.approx(interval.low)
    assert only.share.estimate == wrong / labels
    assert not only.share.is_two_sided


def test_the_bound_holds_for_the_share_of_the_source():
    rng = np.random.default_rng(0)
    for share in (0.05, 0.5, 0.9):
        right = np.where(rng.random((300, 40)) < share, 0.0, 1.0).reshape(-1, 1)
        table = runs_worst_first(scored(right), Runs.of(np.repeat(np.arange(300), 40).tolist()), [0])
        assert np.mean([each.share.low <= share for each in table]) >= 0.96


def test_one_flag_in_a_small_run_does_not_come_first():
    right = np.ones((31, 1))
    right[:20] = right[30] = 0
    table = runs_worst_first(scored(right), Runs.of(["large"] * 30 + ["small"]), [0])
    assert [each.name for each in table] == ["large", "small"]


def test_groups_that_cannot_be_judged_do_not_count():
    right = np.full((10, 2), 0.5)
    right[:4, 1] = 0.0
    (only,) = runs_worst_first(scored(right, {(0, 1): "off", (0, 0): "unit", (1, 0): "unit"}), Runs.of(["a"] * 10), [1])
    assert (only.labels, only.flags, only.reason) == (10, 4, "off")
    assert runs_worst_first(scored(right), Runs.of(["a"] * 10), []) == []


def test_runs_without_labels_are_left_out():
    right = np.array([[0.9], [np.nan], [0.8]])
    assert [each.name for each in runs_worst_first(scored(right), Runs.of(["a", "b", "c"]), [0])] == ["c", "a"]


@pytest.mark.parametrize(
    ("flags", "n_runs", "shown", "expected"),
    [
        ((3, 0), 2, 1, "No label of the other run is flagged."),
        ((3, 0, 0), 3, 1, "No label of the 2 other runs is flagged."),
        ((3, 2, 0), 3, 1, "And 2 other runs."),
        ((3, 0), 2000, 1, "And 1,999 other runs."),
        ((0, 0), 2, 0, "No label of the 2 runs is flagged."),
        ((3,), 1, 1, ""),
    ],
)
def test_a_sentence_tells_of_the_other_runs(flags, n_runs, shown, expected):
    one = RunSummary("a", 10, 0, Share.at_least(0.0, 0.0), "")
    runs = tuple(replace(one, flags=count) for count in flags)
    summary = AuditSummary(DataSource("arrays"), 10, 10, 3, 0.0, None, "", (), runs=runs, n_runs=n_runs)
    assert summary.other_runs(shown) == expected
