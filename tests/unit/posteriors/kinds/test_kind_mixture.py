"""The posterior with kinds of wrong labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deepgum.mixture import MixtureStatus
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture, KindPosterior
from deepgum.posteriors.kinds.registry import kinds_for
from deepgum.posteriors.label_mixture import LabelMixture

ONE = ((0,),)


def fit(given, predicted, partition=ONE, **options):
    comparison = replace(Comparison.of(given, predicted, partition), **options)
    return comparison, KindMixture.fit(comparison, intervals=False)


def names(mixture):
    return [each.kind.name for each in mixture.admitted]


def table(seed=0, n=600):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(50, 100, size=(n, 1))
    return rng, truth, truth + rng.normal(size=(n, 1))


@pytest.mark.parametrize("seed", range(4))
def test_without_a_kind_the_posterior_is_that_of_the_label_mixture_to_the_last_bit(seed):
    rng, predicted, given = table(seed)
    given[:60] = rng.uniform(0, 150, size=(60, 1))
    comparison, mixture = fit(given, predicted)
    assert not mixture.admitted
    expected = LabelMixture.fit(given - predicted, [[0]], intervals=False).responsibilities(given - predicted)
    np.testing.assert_array_equal(mixture.posterior(comparison).right, expected)
    assert mixture.status == mixture.base.status
    assert mixture.shares == mixture.base.shares


@pytest.mark.parametrize(("factor", "name"), [(0.1, "x10"), (100.0, "x0.01"), (-1.0, "x-1"), (0.001, "x1000")])
def test_a_factor_is_found_and_its_share_estimated(factor, name):
    _, predicted, given = table()
    given[:60] *= factor
    comparison, mixture = fit(given, predicted)
    assert names(mixture) == [name]
    np.testing.assert_allclose(mixture.admitted[0].shares, 0.1, atol=0.005)
    posterior = mixture.posterior(comparison)
    assert (posterior.kinds[0, :60] > 0.99).all()
    assert (posterior.right[60:] > 0.9).mean() > 0.99
    assert mixture.status == (MixtureStatus.CONVERGED,)


def test_probabilities_are_not_negative_and_at_most_one_in_sum():
    rng, predicted, given = table()
    given[:30] /= 10
    given[30:60] *= 100
    given[60:90] = rng.uniform(0, 150, size=(30, 1))
    comparison, mixture = fit(given, predicted)
    assert set(names(mixture)) == {"x10", "x0.01"}
    posterior = mixture.posterior(comparison)
    total = posterior.right + posterior.known
    assert (posterior.kinds >= 0).all()
    assert (total <= 1 + 1e-12).all()
    assert (total[60:90] < 0.5).mean() > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_a_factor_that_nobody_uses_is_not_admitted_as_a_power_of_ten(seed):
    rng, predicted, given = table(seed)
    given[:60] *= np.exp(rng.uniform(np.log(1 / 60), np.log(1 / 3), size=(60, 1)))
    assert names(fit(given, predicted)[1]) == []


def test_a_missing_label_stays_missing():
    _, predicted, given = table()
    given[:60] /= 10
    given[100:110] = np.nan
    comparison, mixture = fit(given, predicted)
    posterior = mixture.posterior(comparison)
    assert names(mixture) == ["x10"]
    assert np.isnan(posterior.right[100:110]).all()
    assert not np.isnan(posterior.right[:100]).any()


def landmarks(n=400):
    rng = np.random.default_rng(0)
    predicted = np.array([30.0, 40.0, 70.0, 42.0, 50.0, 70.0]) + 6 * rng.normal(size=(n, 6))
    return predicted, predicted + rng.normal(size=(n, 6))


def test_exchanged_sides_and_axes_of_landmarks_are_found():
    predicted, given = landmarks()
    given[:20, :4] = given[:20][:, [2, 3, 0, 1]]
    given[20:40] = given[20:40][:, [1, 0, 3, 2, 5, 4]]
    comparison, mixture = fit(given, predicted, ((0, 1), (2, 3), (4, 5)), landmarks=True, swap_pairs=((0, 1),))
    assert names(mixture) == ["sides", "axes"]
    posterior = mixture.posterior(comparison)
    assert (posterior.kinds[0, :20, :2] > 0.9).all()
    assert (posterior.kinds[1, 20:40][:, [1, 2]] > 0.9).mean() > 0.9
    assert (posterior.right[40:] > 0.5).mean() > 0.99


def octaves(n=600):
    rng = np.random.default_rng(0)
    truth = np.where(rng.random((n, 1)) < 0.5, rng.normal(128, 3, (n, 1)), rng.normal(172, 3, (n, 1)))
    return truth, truth + rng.normal(0, 0.5, (n, 1)), truth + rng.normal(0, 0.5, (n, 1))


def test_a_halved_label_is_wrong_and_a_doubled_prediction_is_not_the_labels_fault():
    _, given, predicted = octaves()
    given[:30] /= 2
    predicted[30:60] /= 2
    comparison, mixture = fit(given, predicted)
    assert set(names(mixture)) == {"x2", "x0.5"}
    right = mixture.posterior(comparison).right
    assert (right[:30] < 0.1).all()
    assert (right[30:60] > 0.5).all()


def test_octaves_are_not_tried_where_learners_are_taught():
    given = np.ones((3, 1))
    comparison = Comparison.of(given, given, ONE)
    taught = {kind.name for kind in kinds_for(comparison, taught=True)}
    assert {kind.name for kind in kinds_for(comparison)} - taught == {"x2", "x0.5"}


def test_the_expected_label_of_a_known_error_is_the_undone_label():
    _, predicted, given = table()
    given[:60] /= 10
    comparison, mixture = fit(given, predicted)
    posterior = mixture.posterior(comparison)
    expected = mixture.expected(comparison, posterior, lambda labels: labels)
    np.testing.assert_allclose(expected[:60], 10 * given[:60], rtol=1e-2)
    np.testing.assert_allclose(expected[60:], given[60:], atol=0.5)


def test_shares_of_known_errors_have_a_lower_bound_and_two_ends_for_given_predictions():
    _, predicted, given = table(n=1000)
    given[:100] /= 10
    comparison = Comparison.of(given, predicted, ONE)
    scored = KindMixture.fit(comparison).share
    assert scored.is_two_sided
    assert scored.low < 0.1 < scored.high < 0.14
    taught = KindMixture.fit(comparison, taught=True).share
    assert not taught.is_two_sided
    assert 0.07 < taught.low <= 0.1


def test_the_share_over_groups_counts_labels():
    # The first target has 1,000 labels without errors; the second target has 200 labels, 100 of them with a lost digit.
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 100, size=(1000, 2))
    given = truth + rng.normal(size=(1000, 2))
    given[:100, 1] /= 10
    given[200:, 1] = np.nan
    mixture = KindMixture.fit(Comparison.of(given, truth, ((0,), (1,))))
    assert mixture.shares[1].low > 0.4
    assert mixture.share.low < 100 / 1200 < mixture.share.low + 0.03


@pytest.mark.parametrize("seed", range(2))
def test_a_group_without_a_kind_keeps_its_posterior(seed):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(50, 100, size=(600, 2))
    given = truth + rng.normal(size=(600, 2))
    given[:60, 1] /= 10
    given[:60, 0] += rng.uniform(-40, 40, size=60)
    comparison = Comparison.of(given, truth, ((0,), (1,)))
    mixture = KindMixture.fit(comparison, intervals=False)
    assert names(mixture) == ["x10"]
    alone = Comparison.of(given[:, :1], truth[:, :1], ONE)
    expected = KindMixture.fit(alone, intervals=False).posterior(alone).right[:, 0]
    np.testing.assert_allclose(mixture.posterior(comparison).right[:, 0], expected, atol=0.02)


def test_a_group_of_right_labels_keeps_its_posterior_to_the_last_bit():
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 100, size=(600, 2))
    given = truth + rng.standard_t(4, size=(600, 2))
    given[:60, 1] /= 10
    comparison = Comparison.of(given, truth, ((0,), (1,)))
    mixture = KindMixture.fit(comparison, intervals=False)
    assert mixture.status == (MixtureStatus.NO_OUTLIERS, MixtureStatus.CONVERGED)
    expected = mixture.base.responsibilities(comparison.residuals)[:, 0]
    assert ((expected > 0.5) & (expected < 1)).any()
    np.testing.assert_array_equal(mixture.posterior(comparison).right[:, 0], expected)


def test_one_label_proves_no_kind_and_five_do():
    for few, expected in ((1, []), (5, ["x10"])):
        _, predicted, given = table()
        given[:few] /= 10
        assert names(fit(given, predicted)[1]) == expected


def test_a_kind_is_named_if_it_has_most_of_the_probability_of_a_wrong_label():
    right = np.array([[0.1], [0.1], [0.1], [np.nan], [1.0]])
    kinds = np.zeros((2, 5, 1))
    kinds[0, :3, 0], kinds[1, :3, 0] = [0.73, 0.71, 0.1], [0.1, 0.1, 0.8]
    np.testing.assert_array_equal(KindPosterior(right, kinds).named[:4].ravel(), [0, -1, 1, -1])
    np.testing.assert_array_equal(KindPosterior(right, np.zeros((0, 5, 1))).named, np.full((5, 1), -1))


def test_only_the_given_kinds_are_tried():
    _, predicted, given = table()
    given[:60] /= 10
    comparison = Comparison.of(given, predicted, ONE)
    assert names(KindMixture.fit(comparison, intervals=False)) == ["x10"]
    others = [kind for kind in kinds_for(comparison) if kind.name != "x10"]
    assert "x10" not in names(KindMixture.fit(comparison, intervals=False, kinds=others))
    assert not KindMixture.fit(comparison, intervals=False, kinds=[]).admitted
