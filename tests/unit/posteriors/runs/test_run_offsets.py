"""Runs that are off by one amount: what is found, and what is not taken for an offset."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum.periods import wrapped
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.runs.run_offsets import RunOffsets, _far

RUNS, ROWS = 30, 20
NUMBERS = np.repeat(np.arange(RUNS), ROWS)
NAMED = Runs.of(NUMBERS.tolist())


def case(seed=0, intercept=0.0):
    """Labels with noise 1 and random intercepts of runs, and their truth."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-10, 10, size=(RUNS * ROWS, 1))
    given = truth + intercept * rng.normal(size=(RUNS, 1))[NUMBERS] + rng.normal(size=truth.shape)
    return rng, truth, given


def offsets_of(given, predicted, runs=NAMED, comparison=None):
    comparison = comparison or Comparison.of(given, predicted, ((0,),))
    mixture = LabelMixture.fit(comparison.residuals, inliers="gaussian", intervals=False)
    return RunOffsets.fit(comparison, mixture, runs, [0])


def found(offsets):
    return [] if offsets is None else np.flatnonzero(offsets.is_off[:, 0] > 0.5).tolist()


def test_offsets_are_found_with_their_amount_and_error():
    errors = []
    for seed in range(4):
        _, truth, given = case(seed, intercept=0.2)
        given[NUMBERS < 3] += np.array([[4.0], [-6.0], [8.0]])[NUMBERS[NUMBERS < 3]]
        offsets = offsets_of(given, truth)
        assert found(offsets) == [0, 1, 2]
        errors += ((offsets.offset[:3, 0] - [4.0, -6.0, 8.0]) / offsets.error[:3, 0]).tolist()
        assert np.isnan(offsets.offset[3:]).all()
        labels = offsets.undone(given, NAMED)
        assert labels[NUMBERS > 2].tolist() == given[NUMBERS > 2].tolist()
        assert np.abs((labels - truth)[NUMBERS < 3].mean()) < 1
    # Errors are standard errors.
    assert 0.5 < np.std(errors) < 1.5


@pytest.mark.parametrize("intercept", [0.0, 0.5, 2.0])
def test_runs_of_right_labels_that_vary_have_no_offset(intercept):
    assert not any(found(offsets_of(*reversed(case(seed, intercept)[1:]))) for seed in range(2))


def test_an_offset_that_other_runs_have_too_is_none():
    """The same offset is found among runs that agree, and not among runs that differ."""
    for intercept, expected in ((0.0, [0]), (1.0, [])):
        _, truth, given = case(1, intercept)
        given[NUMBERS == 0] = truth[NUMBERS == 0] + 3.5 + np.linspace(-1, 1, ROWS)[:, None]
        assert found(offsets_of(given, truth)) == expected


@pytest.mark.parametrize("tails", [np.random.default_rng(0).laplace, np.random.default_rng(1).lognormal])
def test_offsets_of_right_labels_with_heavy_tails_are_rarely_taken_for_errors(tails):
    """Countries differ: six standard deviations alone would call a run off in a third to all of these cases."""
    found = [_far(each, np.zeros(150))[0].any() for each in tails(size=(300, 150))]
    assert np.mean(found) < 0.15


def test_far_runs_are_those_above_the_last_wide_gap():
    usual = np.r_[np.linspace(-1, 1, 21), [0.3, -0.2]]
    is_far, spread = _far(np.r_[usual, 12.0, 5.0], np.zeros(25))
    assert np.flatnonzero(is_far).tolist() == [23, 24]
    assert spread == pytest.approx(1.4826 * np.median(np.abs(usual - np.median(usual))))
    # Between 1 and 5 is no gap any more.
    assert np.flatnonzero(_far(np.r_[usual, 12.0, 5.0, 2.5], np.zeros(26))[0]).tolist() == []
    assert np.flatnonzero(_far(np.r_[usual, 30.0, 5.0, 2.5], np.zeros(26))[0]).tolist() == [23]
    # Six errors of a median are needed, too.
    assert not _far(np.r_[usual, 12.0, 5.0], np.full(25, 2.1))[0].any()


def test_an_offset_below_the_noise_does_no_harm():
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(20), 300)
    truth = rng.uniform(-10, 10, size=(6000, 1))
    given = truth + rng.normal(size=truth.shape)
    given[numbers == 0] += 0.6  # ten times the error of a median
    assert found(offsets_of(given, truth, Runs.of(numbers.tolist()))) == []
    given[numbers == 0] += 0.9
    assert found(offsets_of(given, truth, Runs.of(numbers.tolist()))) == [0]


def test_noisy_and_stuck_labels_have_no_offset():
    rng, truth, given = case(2)
    given[NUMBERS == 0] += 6 + rng.normal(0, 5, size=(ROWS, 1))
    given[NUMBERS == 1] = 25.0
    assert found(offsets_of(given, truth)) == []


def test_an_offset_that_grows_within_the_run_is_not_one_amount():
    _, truth, given = case(3)
    given[NUMBERS == 0] += 10
    assert found(offsets_of(given, truth)) == [0]
    given[NUMBERS == 0] += np.linspace(-3, 3, ROWS)[:, None]
    assert found(offsets_of(given, truth)) == []


@pytest.mark.parametrize(("runs", "rows"), [(19, 20), (40, 4)])
def test_few_runs_or_few_labels_tell_nothing(runs, rows):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-10, 10, size=(runs * rows, 1))
    given = truth + rng.normal(size=truth.shape)
    given[:rows] += 8
    assert offsets_of(given, truth, Runs.of(np.repeat(np.arange(runs), rows).tolist())) is None


def test_missing_labels_do_not_count():
    _, truth, given = case(3)
    given[NUMBERS == 0] += 5
    given[::3] = np.nan
    assert found(offsets_of(given, truth)) == [0]


def test_the_offset_has_the_unit_of_the_labels_where_noise_differs():
    """Residuals are divided by noise: the offset does not change with the noise."""
    rng, truth, _ = case(4)
    noise = np.where(np.arange(RUNS * ROWS) % 2, 1.0, 3.0)[:, None]
    given = truth + noise * rng.normal(size=truth.shape)
    given[NUMBERS == 0] += 12
    comparison = Comparison(
        given, truth, ((0,),), lambda labels: (labels - truth) / noise, lambda labels: 0 * labels - np.log(noise)
    )
    offsets = offsets_of(given, truth, comparison=comparison)
    assert found(offsets) == [0]
    assert offsets.offset[0, 0] == pytest.approx(12, abs=2)
    plain = Comparison(given, truth, ((0,),), lambda labels: (labels - truth) / noise, lambda labels: 0 * labels)
    # The median of log noise is log(3) / 2.
    assert offsets.error[0, 0] == pytest.approx(3**0.5 * offsets_of(given, truth, comparison=plain).error[0, 0])


def test_angles_are_off_by_the_shorter_way():
    rng, _, _ = case(5)
    truth = rng.uniform(0, 360, size=(RUNS * ROWS, 1))
    given = truth + rng.normal(size=truth.shape)
    given[NUMBERS == 0] += 355
    comparison = Comparison(
        given, truth, ((0,),), lambda labels: wrapped(labels - truth, (360.0,)), np.zeros_like, periods=(360.0,)
    )
    offsets = offsets_of(given, truth, comparison=comparison)
    assert found(offsets) == [0]
    assert offsets.offset[0, 0] == pytest.approx(-5, abs=1)
