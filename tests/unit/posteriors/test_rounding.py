from __future__ import annotations

import numpy as np
import pytest

from deepgum.posteriors.rounding import label_step, rounding_variance


def test_the_step_is_that_of_the_grid() -> None:
    rng = np.random.default_rng(0)
    assert label_step(rng.integers(1, 90, 500).astype(float)) == (1.0, 1.0)
    assert label_step(np.array([1.0, 2.0])) == (0.0, 0.0)
    assert label_step(rng.integers(1, 90, 500) / 2 + 0.25) == (0.5, 0.75)


def test_the_variance_is_that_of_the_rounding_error() -> None:
    exact = np.random.default_rng(0).normal(0, 30, size=(50_000, 1))
    rounded = 0.5 * np.round(exact / 0.5)
    assert rounding_variance(rounded)[0] == pytest.approx(np.var(rounded - exact), rel=0.05)
    assert rounding_variance(exact)[0] < 1e-6
