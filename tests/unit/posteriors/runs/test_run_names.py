from __future__ import annotations

import numpy as np

from deepgum.posteriors.runs.run_names import Runs

RUNS = Runs.of(["b", 1, "b", "1", "a"])


def test_equal_values_as_text_are_one_run():
    assert RUNS.names == ("b", "1", "a")
    assert RUNS.numbers.tolist() == [0, 1, 0, 1, 2]


def test_sums_and_rows_are_those_of_each_run():
    assert RUNS.sums(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist() == [4.0, 6.0, 5.0]
    kept = np.array([True, False, True, True, False])
    assert [rows.tolist() for rows in RUNS.rows(kept)] == [[0, 2], [3], []]


def test_repeated_runs_are_those_of_the_cells_of_rows():
    assert RUNS.repeated(2).numbers.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2]
    assert RUNS.repeated(1) is RUNS
