"""Scores with runs: from arrays, from tables, and their summary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deepgum.audit import score_labels, score_table
from deepgum.audit.summary import AuditSummary
from deepgum.errors import InvalidDataError, InvalidParameterError

N, ROWS = 600, 20
RUNS = [f"2024-03-{1 + row // ROWS:02d}" for row in range(N)]


@pytest.fixture
def drifted():
    """Predictions and labels. The labels of the second run are 3 too low, those of the third are noisy."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 30, size=N)
    given = truth + rng.normal(0, 0.3, size=N)
    given[ROWS : 2 * ROWS] -= 3
    given[2 * ROWS : 3 * ROWS] += rng.normal(0, 4, size=ROWS)
    return truth + rng.normal(0, 0.5, size=N), given, truth


def scores_of(predicted, given, runs=RUNS):
    return score_labels(predicted, given, runs=runs, target_names=["t"], unit="C")


def test_the_summary_lists_the_runs_worst_first(drifted, tmp_path):
    predicted, given, _ = drifted
    summary = scores_of(predicted, given).summary
    assert [(each.name, each.reason) for each in summary.flagged_runs[:2]] == [
        ("2024-03-02", "drift"), ("2024-03-03", "off"),
    ]  # fmt: skip
    assert (summary.n_runs, len(summary.runs)) == (30, 30)
    assert sum(each.labels for each in summary.runs) == summary.labels
    assert sum(each.flags for each in summary.runs) == summary.flags
    assert summary.flagged_runs[0].share.low > 0.8
    summary.write(tmp_path / "summary.json")
    assert AuditSummary.read(tmp_path / "summary.json") == summary


def test_runs_add_flags_where_they_are_bad_and_the_share_counts_them(drifted):
    predicted, given, _ = drifted
    without, with_runs = scores_of(predicted, given, None), scores_of(predicted, given)
    noisy = slice(2 * ROWS, 3 * ROWS)
    assert with_runs.labels.flags[noisy].sum() > without.labels.flags[noisy].sum()
    assert without.summary.runs == ()
    share, summary = with_runs.summary.share, with_runs.summary
    assert share.low >= (summary.flags - summary.expected_false_flags) / N - 1e-9


def test_a_label_of_a_run_that_is_off_is_corrected_with_its_uncertainty(drifted):
    predicted, given, truth = drifted
    labels = scores_of(predicted, given).labels
    rows = [row for (row, _), kind in labels.kinds.items() if kind == "drift"]
    assert set(rows) <= set(range(ROWS, 2 * ROWS))
    assert len(rows) > 15
    assert labels.why[rows[0], 0].startswith("The labels of run '2024-03-02' are about 3")
    assert "C lower than predicted; without this difference, the label fits: " in labels.why[rows[0], 0]
    error = labels.suggested[rows, 0] - truth[rows]
    # The suggestions are nearer than the predictions are, and share the error of the offset.
    assert np.abs(error).mean() < np.abs(predicted[rows] - truth[rows]).mean() + 0.1
    assert (np.abs(error) < 3 * np.hypot(labels.uncertainty[rows, 0], 0.3)).all()
    assert np.ptp(labels.suggested[rows, 0] - given[rows]) < 1e-9


def test_without_evidence_scores_are_the_same_to_the_last_bit():
    rng = np.random.default_rng(1)
    truth = rng.uniform(10, 30, size=N)
    given = truth + rng.normal(0, 0.3, size=N)
    rows = rng.permutation(N)[:60]
    given[rows] = rng.uniform(10, 30, size=60)
    without, with_runs = scores_of(truth, given, None), scores_of(truth, given)
    for name in ("responsibilities", "suggested", "uncertainty"):
        np.testing.assert_array_equal(getattr(without.labels, name), getattr(with_runs.labels, name))
    assert without.summary.share == with_runs.summary.share
    assert without.labels.why == with_runs.labels.why


def test_predictions_that_cannot_judge_labels_have_no_table_of_runs():
    rng = np.random.default_rng(0)
    given = rng.normal(size=N)
    scored = scores_of(rng.normal(size=N), given)
    assert scored.summary.groups[0].fault
    assert scored.summary.runs == ()


def test_another_number_of_runs_is_refused(drifted):
    predicted, given, _ = drifted
    with pytest.raises(InvalidDataError, match=r"`runs` should have length 600, one value per sample. Found 3"):
        scores_of(predicted, given, ["a", "b", "c"])


@pytest.fixture
def table(drifted, tmp_path):
    predicted, given, _ = drifted
    path = tmp_path / "sensors.csv"
    pd.DataFrame({"day": RUNS, "t": given, "pred_t": predicted}).to_csv(path, index=False)
    return path


def test_a_table_names_its_column_of_runs(drifted, table):
    predicted, given, _ = drifted
    found, expected = score_table(table, runs="day"), scores_of(predicted, given)
    np.testing.assert_allclose(found.labels.responsibilities, expected.labels.responsibilities, rtol=1e-9)
    assert [each.name for each in found.summary.runs] == [each.name for each in expected.summary.runs]


def test_a_column_of_runs_that_is_not_there_is_refused(table):
    with pytest.raises(InvalidParameterError, match=r"`runs` should be a column of the table. Found `runs = 'night'`"):
        score_table(table, runs="night")


def test_runs_of_a_table_beyond_memory_are_refused(table):
    with pytest.raises(InvalidParameterError, match="`runs` should be left out for a table with more than 100 numbers"):
        score_table(table, runs="day", in_memory=100)
