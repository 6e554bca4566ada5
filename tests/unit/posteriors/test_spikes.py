"""Exact hits, caps and whole numbers: what leaves the fit, and what is judged."""

import numpy as np
import pytest

from deepgum import score_labels
from deepgum.posteriors.spikes import Spikes

ONE = ((0,),)


def rain(seed=0, n=2000):
    """Return labels of which 60 % are 0, predictions that are 0 there, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    wet = rng.random(n) < 0.4
    truth = np.where(wet, rng.gamma(2, 5, n), 0.0).round(1)
    predicted = np.where(wet, np.maximum(truth + rng.normal(0, 1, n), 0), 0.0)
    wrong = rng.random(n) < 0.04
    return np.where(wrong, rng.uniform(0, 80, n), truth), predicted, wrong


def stars(seed=0, n=2000):
    """Return whole labels of 1 to 5, whole predictions that are at most 1 away, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, n)
    predicted = np.clip(truth + rng.choice([-1, 0, 1], n, p=[0.1, 0.8, 0.1]), 1, 5).astype(float)
    wrong = rng.random(n) < 0.03
    return np.where(wrong, 6 - truth, truth).astype(float), predicted, wrong


def capped(seed=0, n=2000, cap=5.0):
    """Return right labels that are cut at the cap, and predictions that are not."""
    rng = np.random.default_rng(seed)
    truth = rng.gamma(4, 0.8, n)
    return np.minimum(truth, cap), truth * np.exp(0.1 * rng.normal(size=n))


@pytest.mark.case(22)
@pytest.mark.parametrize("seed", range(2))
def test_most_large_errors_beside_a_spike_of_zeros_are_found(seed):
    y, p, wrong = rain(seed)
    scored = score_labels(p, y)
    flags, large = scored.labels.flags[:, 0], wrong & (np.abs(y - p) > 10)
    assert flags[large].mean() > 0.9
    assert flags[~wrong].mean() < 0.01
    # All labels count in the share, not only those that were judged.
    assert 0.02 < scored.summary.share.low <= wrong.mean()
    assert "exactly as predicted" in scored.summary.verdict
    hits = (y == 0) & (p == 0)
    assert (scored.labels.responsibilities[hits, 0] == 1).all()
    assert scored.summary.groups[0].settled == hits.sum()


@pytest.mark.case(22)
@pytest.mark.parametrize("seed", range(2))
def test_whole_numbers_are_judged_by_whole_steps(seed):
    y, p, wrong = stars(seed)
    flags = score_labels(p, y).labels.flags[:, 0]
    assert flags[wrong & (np.abs(y - p) >= 3)].all()
    assert not flags[np.abs(y - p) <= 1].any()


@pytest.mark.case(24)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", [1, -1])
def test_right_labels_at_a_cap_are_not_flagged(seed, side):
    y, p = capped(seed)
    scored = score_labels(side * p, side * y)
    assert scored.labels.flags.mean() < 0.002
    assert scored.summary.share is None or scored.summary.share.low < 0.002
    assert f"cut at {side * 5}" in scored.summary.verdict


@pytest.mark.case(24)
def test_a_pile_is_right_if_predictions_expect_it_and_judged_if_they_do_not():
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 20, size=400)
    predicted = (truth + rng.normal(size=400))[:, None]
    cut, missing = truth.copy(), truth.copy()
    cut[truth < 12] = 9.0  # the lowest values are recorded as 9
    missing[rng.permutation(400)[:80]] = 9.0  # 9 stands for a missing label
    spikes = Spikes.of(cut[:, None], predicted)
    assert spikes.low[0] == spikes.piles[0].item() == 9.0
    np.testing.assert_array_equal(spikes.settled(cut[:, None], predicted, ONE)[:, 0], cut == 9.0)
    spikes = Spikes.of(missing[:, None], predicted)
    assert spikes.low[0] == 9.0
    assert not len(spikes.piles[0])
    settled = spikes.settled(missing[:, None], predicted, ONE)[:, 0]
    np.testing.assert_array_equal(settled, (missing == 9.0) & (predicted[:, 0] <= 9.0))


def test_values_that_recur_everywhere_are_no_cap_and_few_hits_are_no_spike():
    rng = np.random.default_rng(0)
    ages = np.round(rng.uniform(20, 60, (1000, 1)))
    spikes = Spikes.of(ages, np.round(ages + rng.normal(0, 4, ages.shape)))
    assert not spikes.any
    assert spikes.steps[0] == 0
    assert not Spikes.of(rng.normal(size=(1000, 1)), rng.normal(size=(1000, 1))).any


def test_copies_of_labels_without_recurring_values_are_not_settled():
    y = np.random.default_rng(0).normal(size=(500, 1))
    assert not Spikes.of(y, y).settled(y, y, ONE).any()


def test_a_label_of_several_coordinates_is_settled_if_each_one_with_a_label_is():
    y, p, _ = rain()
    given, predicted = np.column_stack([y, y[::-1]]), np.column_stack([p, p[::-1]])
    given[:3, 1] = np.nan
    spikes = Spikes.of(given, predicted)
    one, both = spikes.settled(given, predicted, ((0,), (1,))), spikes.settled(given, predicted, ((0, 1),))[:, 0]
    missing = np.isnan(given[:, 1])
    np.testing.assert_array_equal(both, one[:, 0] & (one[:, 1] | missing))
    others = spikes.others(given - predicted, given, predicted, ((0, 1),))
    np.testing.assert_array_equal(np.isnan(others[:, 0]), both)


def test_residuals_before_rounding_have_the_observed_shares_and_are_the_same_each_time():
    y, p, _ = stars(n=20_000)
    given, predicted = y[:, None], p[:, None]
    spikes = Spikes.of(given, predicted)
    first, second = (spikes.others(given - predicted, given, predicted, ONE) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.round(first), given - predicted)
    near = np.abs(first) < 1.5
    assert first[near].std() == pytest.approx(spikes.deviations[0], rel=0.05)


def test_a_label_with_a_period_has_no_cap():
    y, p = capped()
    assert Spikes.of(y[:, None], p[:, None], periods=(360.0,)).high[0] == np.inf
