from __future__ import annotations

import numpy as np
import pytest

from deepgum.periods import unrolled, wrapped


@pytest.mark.parametrize("turns", [-2, 0, 5])
def test_differences_are_the_shortest_of_all_turns(turns: int) -> None:
    difference = np.random.default_rng(0).uniform(-720, 720, size=(200, 1)) + 360 * turns
    found = wrapped(difference, (360.0,))
    candidates = difference + 360.0 * np.arange(-12, 13)
    np.testing.assert_allclose(np.abs(found[:, 0]), np.abs(candidates).min(axis=1), atol=1e-9)
    np.testing.assert_allclose(np.mod(found - difference + 180, 360), 180, atol=1e-9)


def test_columns_without_a_period_and_missing_values_stay() -> None:
    residuals = np.array([[359.0, 359.0], [np.nan, -1.0]])
    np.testing.assert_array_equal(wrapped(residuals, (360.0, 0.0)), [[-1.0, 359.0], [np.nan, -1.0]])
    assert wrapped(residuals, None) is residuals


def test_unrolled_angles_differ_by_whole_turns_and_lie_within_half_a_turn_of_their_mean() -> None:
    angles = np.mod(np.random.default_rng(0).normal(180, 40, size=(500, 1)) + 180, 360) - 180
    found = unrolled(angles, (360.0,))
    turns = (found - angles) / 360
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    assert np.ptp(found) <= 360
    assert found.std() == pytest.approx(40, rel=0.1)
    np.testing.assert_array_equal(unrolled(angles, None), angles)
