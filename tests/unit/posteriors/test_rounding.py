from __future__ import annotations

import numpy as np
import pytest

from deepgum.posteriors import rounding
from deepgum.posteriors.rounding import label_steps, rounding_variance


def step_of(column: np.ndarray) -> tuple[float, float]:
    """Return the step and the start of one column, written out: a low quantile of the gaps of different labels."""
    different = np.unique(column[~np.isnan(column)])
    if len(different) < 3:
        return 0.0, 0.0
    gaps = np.sort(np.diff(different))
    return gaps[int(0.1 * (len(gaps) - 1))], different[0]


def test_the_step_is_that_of_the_grid() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(1, 90, 500).astype(float), np.resize([1.0, 2.0], 500), rng.integers(1, 90, 500) / 2 + 0.25]
    steps, starts = label_steps(np.column_stack(columns))
    assert (steps.tolist(), starts.tolist()) == ([1.0, 0.0, 0.5], [1.0, 0.0, 0.75])


def test_steps_of_many_columns_are_those_of_single_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.integers(0, 2 + column, 40) * 0.3 for column in range(25)])
    values[rng.random(values.shape) < 0.3] = np.nan
    values[:, 7] = np.nan
    monkeypatch.setattr(rounding, "_MOST_VALUES", 100)
    steps, starts = label_steps(values)
    assert [(step, start) for step, start in zip(steps, starts, strict=True)] == [step_of(each) for each in values.T]
    assert label_steps(np.zeros((0, 2)))[0].tolist() == [0.0, 0.0]


def test_the_variance_is_that_of_the_rounding_error() -> None:
    exact = np.random.default_rng(0).normal(0, 30, size=(50_000, 1))
    rounded = 0.5 * np.round(exact / 0.5)
    assert rounding_variance(rounded)[0] == pytest.approx(np.var(rounded - exact), rel=0.05)
    assert rounding_variance(exact)[0] < 1e-6
