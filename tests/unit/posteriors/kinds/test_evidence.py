"""The evidence for kinds of wrong labels, against closed forms and direct maximisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import norm

from deepgum.posteriors.densities import Gaussian
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.conversions import POINT_FACTORS, VALUE_FACTORS, Factor
from deepgum.posteriors.kinds.evidence import HARM, fit_shares, log_ratio
from deepgum.posteriors.kinds.exchanges import ExchangedAxes, ExchangedSides
from deepgum.posteriors.power_law import PowerLaw

ONE = ((0,),)


def mixtures(prior=0.9, scale=4.0, radius=50.0):
    right = GroupMixture(prior, torch.full((1, 1), scale, dtype=torch.float64), Gaussian(), PowerLaw(1.0, radius))
    return GroupMixtures.of([right], ONE)


def test_the_ratio_is_the_density_of_the_undone_label_over_the_density_of_the_label():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(50, 100, size=(30, 1))
    given = predicted / 10 + rng.normal(size=(30, 1))
    comparison = Comparison.of(given, predicted, ONE)
    found = log_ratio(Factor(10.0), comparison, mixtures())
    deviation = 2.0
    right = norm.pdf(10 * given - predicted, scale=deviation) * 10  # every truth is harmed, so m = 1
    base = 0.9 * norm.pdf(given - predicted, scale=deviation) + 0.1 / (2 * 50.0 * deviation)
    expected = np.log(right / base)
    seen = np.isfinite(found)
    assert seen.mean() > 0.6
    np.testing.assert_allclose(found[seen], expected[seen])
    assert (expected[~seen] < -10).all()


def test_an_error_that_changes_little_is_no_error():
    given = np.array([[0.01], [30.0]])
    found = log_ratio(Factor(10.0), Comparison.of(given, 10 * given, ONE), mixtures())
    assert abs(10 * 0.01 - 0.01) / 2.0 < HARM
    assert found[0] == -np.inf
    assert np.isfinite(found[1])


def test_a_missing_label_has_no_evidence():
    given = np.array([[np.nan], [9.0]])
    found = log_ratio(Factor(10.0), Comparison.of(given, np.full((2, 1), 90.0), ONE), mixtures())
    assert found[0] == -np.inf
    assert found[1] > 0


@pytest.mark.parametrize("seed", range(3))
def test_shares_maximise_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    ratios, n = np.exp(rng.normal(0, 4, size=(2, 60))), 200

    def loss(raw):
        shares = np.exp(raw - np.logaddexp(0, np.logaddexp(*raw)))
        none = 1 - shares.sum()
        return -(np.log(none + shares @ ratios).sum() + (n - 60) * np.log(none))

    best = min((minimize(loss, start, method="Nelder-Mead") for start in ([-3, -3], [-1, -4])), key=lambda r: r.fun)
    found = fit_shares(ratios, n)
    assert found.log_likelihood == pytest.approx(-best.fun, abs=1e-2)


def test_weights_count_labels_several_times():
    rng = np.random.default_rng(0)
    ratios = np.exp(rng.normal(1, 3, size=(1, 20)))
    twice = fit_shares(np.repeat(ratios, 2, axis=1), 80)
    weighted = fit_shares(ratios, 80, np.full(20, 2.0))
    np.testing.assert_allclose(weighted.shares, twice.shares)
    assert weighted.log_likelihood == pytest.approx(twice.log_likelihood)


def test_no_kind_has_no_share():
    assert fit_shares(np.zeros((0, 5)), 10).log_likelihood == 0
    assert fit_shares(np.zeros((2, 0)), 10).shares.tolist() == [0, 0]


@pytest.mark.parametrize("kind", [*VALUE_FACTORS, *POINT_FACTORS], ids=lambda kind: kind.name)
def test_a_factor_is_undone_by_its_inverse_and_its_change_is_its_slope(kind):
    labels = np.array([[3.0], [-7.0]])
    comparison = Comparison.of(labels, labels, ONE)
    np.testing.assert_allclose(kind.inverse.undo(kind.undo(labels, comparison), comparison), labels)
    step = 1e-6
    slope = (kind.undo(labels + step, comparison) - kind.undo(labels - step, comparison)) / (2 * step)
    np.testing.assert_allclose(kind.log_change(labels, comparison), np.log(np.abs(slope)), atol=1e-6)


def test_a_factor_cannot_turn_an_angle_and_a_sign_can():
    labels = np.array([[30.0]])
    angles = Comparison(labels, labels, ONE, lambda x: x, np.zeros_like, periods=(360.0,))
    assert not Factor(10.0).applies(angles)
    assert np.isnan(Factor(10.0).undo(labels, angles)).all()
    assert Factor(-1.0).undo(labels, angles).item() == -30.0


def test_exchanges_undo_themselves():
    labels = np.arange(12.0).reshape(2, 6)
    comparison = Comparison(
        labels, labels, ((0, 1), (2, 3), (4, 5)), lambda x: x, np.zeros_like, landmarks=True, swap_pairs=((0, 2),)
    )
    sides, axes = ExchangedSides(), ExchangedAxes()
    assert sides.applies(comparison)
    assert axes.applies(comparison)
    np.testing.assert_array_equal(axes.undo(axes.undo(labels, comparison), comparison), labels)
    np.testing.assert_array_equal(axes.undo(labels, comparison)[0], [1, 0, 3, 2, 5, 4])
    np.testing.assert_array_equal(sides.undo(labels, comparison)[0], [4, 5, np.nan, np.nan, 0, 1])
