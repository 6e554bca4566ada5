"""Cross-fitting with learners that record what they were trained on."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum.audit.out_of_fold.cross_fit import MOST_FITS, cross_fit
from deepgum.audit.out_of_fold.features import standardised
from deepgum.audit.out_of_fold.local_noise import LocalNoise
from deepgum.audit.out_of_fold.teaching import weights_without_verdict
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.posteriors.label_mixture import LabelMixture

N, FOLDS = 120, 3
MEMORISED = 1e6


class Recorder:
    """Predicts `make(round)`, and something very different for the samples that it was trained on."""

    def __init__(self, make, *, is_robust=True, n_folds=FOLDS, memorised=MEMORISED):
        self.make, self.is_robust, self.n_folds, self.memorised = make, is_robust, n_folds, memorised
        self.trains, self.teachings, self.seeds = [], [], []

    def predict(self, train, teaching, seed):
        predicted = np.array(self.make(len(self.trains) // self.n_folds), dtype=np.float64)
        self.trains.append(train)
        self.teachings.append(teaching)
        self.seeds.append(seed)
        predicted[train] += self.memorised
        return predicted

    def held_out(self, number):
        """Return the folds of a round: the samples that each learner of the round was not trained on."""
        n = len(self.make(0))
        trains = self.trains[number * self.n_folds : (number + 1) * self.n_folds]
        return [np.setdiff1d(np.arange(n), train) for train in trains]


@pytest.fixture(autouse=True)
def no_bootstrap(monkeypatch):
    """Leave out the intervals of shares, which take most of the time."""
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))


@pytest.fixture
def targets():
    """Return labels (n, 1) whose true value is 0; every tenth is wrong."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, 1))
    values[::10] += rng.uniform(15, 40, size=(N // 10, 1)) * rng.choice([-1, 1], size=(N // 10, 1))
    return values


def zero(_):
    return np.zeros((N, 1))


def changing(number):
    """Return predictions under which other right labels look wrong in every round."""
    predicted = np.zeros((N, 1))
    predicted[1 + number : N : 10] = 200.0 * (number + 1)
    return predicted


def test_no_sample_is_predicted_by_a_learner_that_was_trained_on_it(targets):
    learner = Recorder(zero)
    found = cross_fit(learner, targets, n_folds=FOLDS)
    np.testing.assert_array_equal(found.predictions, 0)
    for number in range(len(found.history)):
        np.testing.assert_array_equal(np.sort(np.concatenate(learner.held_out(number))), np.arange(N))


def test_every_round_has_new_folds(targets):
    learner = Recorder(zero)
    cross_fit(learner, targets, n_folds=FOLDS)
    first, second = (sorted(map(tuple, learner.held_out(number))) for number in (0, 1))
    assert first != second
    assert len(set(learner.seeds)) == len(learner.seeds)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_of_one_name_stay_in_one_fold(targets, seed):
    names = [f"person {number}" for number in np.random.default_rng(seed).integers(0, 25, N)]
    learner = Recorder(zero)
    found = cross_fit(learner, targets, keep_together=names, n_folds=FOLDS, seed=seed)
    for number in range(len(found.history)):
        sides = [{names[row] for row in rows} for rows in learner.held_out(number)]
        assert sum(map(len, sides)) == len(set().union(*sides)) == 25


def test_a_sequence_has_the_same_contiguous_folds_in_every_round(targets):
    learner = Recorder(zero)
    found = cross_fit(learner, targets, sequence=True, keep_together=["one"] * N, n_folds=FOLDS)
    assert len(found.history) == 2
    for number in range(2):
        for block, expected in zip(learner.held_out(number), np.array_split(np.arange(N), FOLDS), strict=True):
            np.testing.assert_array_equal(block, expected)


def test_the_seed_decides_the_folds_and_the_seeds_of_learners(targets):
    learners = [Recorder(zero) for _ in range(3)]
    for learner, seed in zip(learners, (3, 3, 4), strict=True):
        cross_fit(learner, targets, n_folds=FOLDS, seed=seed, inliers="gaussian")
    for one, same, other in zip(*(learner.trains for learner in learners), strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
    assert learners[0].seeds == learners[1].seeds
    assert not set(learners[0].seeds) & set(learners[2].seeds)


def test_the_mixture_flags_the_wrong_labels(targets):
    found = cross_fit(Recorder(zero), targets, n_folds=FOLDS)
    flags = found.mixture.base.responsibilities(targets - found.predictions)[:, 0] < 0.5
    np.testing.assert_array_equal(np.flatnonzero(flags), np.arange(0, N, 10))
    assert found.history[-1].flags == N // 10
    assert found.history[-1].share == pytest.approx(0.1, abs=0.03)


def test_a_robust_learner_stops_after_a_second_round_without_changes(targets):
    learner, rounds = Recorder(zero), []
    found = cross_fit(learner, targets, n_folds=FOLDS, most_rounds=5, on_round=rounds.append)
    assert [each.round for each in found.history] == [0, 1]
    assert [each.changed for each in found.history] == [N // 10, 0]
    assert [each.fits for each in found.history] == [FOLDS, FOLDS]
    assert len(learner.trains) == 2 * FOLDS
    assert tuple(rounds) == found.history


def test_a_learner_that_is_not_robust_needs_two_rounds_after_the_first(targets):
    found = cross_fit(Recorder(zero, is_robust=False), targets, n_folds=FOLDS, most_rounds=5)
    assert [each.changed for each in found.history] == [N // 10, 0, 0]


def test_flags_that_do_not_settle_take_all_rounds(targets):
    learner = Recorder(changing, is_robust=False)
    found = cross_fit(learner, targets, n_folds=FOLDS, most_rounds=4)
    assert len(found.history) == 4
    assert len(learner.trains) == 4 * FOLDS
    assert all(each.changed > 0 for each in found.history)


@pytest.mark.parametrize(("is_robust", "counted"), [(True, (0, 1, 2)), (False, (1, 2))])
def test_predictions_are_means_over_rounds_and_the_first_counts_if_the_learner_is_robust(targets, is_robust, counted):
    shifts = np.random.default_rng(1).normal(size=(3, N, 1))
    shifts[:, 0] = [[1.0], [4.0], [10.0]]
    far = np.stack([changing(number) for number in range(3)])
    made = shifts + far
    found = cross_fit(Recorder(made.__getitem__, is_robust=is_robust), targets, n_folds=FOLDS, most_rounds=3)
    assert len(found.history) == 3
    np.testing.assert_allclose(found.predictions, made[list(counted)].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.spread, made[list(counted)].std(axis=0, ddof=1), atol=1e-9)


def test_the_spread_of_a_group_is_a_distance_and_nan_after_one_round():
    rng = np.random.default_rng(0)
    targets, made = rng.normal(size=(N, 3)), rng.normal(size=(2, N, 3))
    targets[::10] += 40
    options = {"n_folds": FOLDS, "inliers": "gaussian"}
    found = cross_fit(Recorder(made.__getitem__), targets, groups=[[0, 2], [1]], **options, most_rounds=2)
    squares = made.var(axis=0, ddof=1)
    expected = np.sqrt(np.stack([squares[:, 0] + squares[:, 2], squares[:, 1]], axis=1))
    np.testing.assert_allclose(found.spread, expected)
    once = cross_fit(Recorder(made.__getitem__), targets, groups=[[0, 2], [1]], **options, most_rounds=1)
    assert once.spread.shape == (N, 2)
    assert np.isnan(once.spread).all()


def test_means_and_spreads_of_periodic_labels_go_the_short_way_round(targets):
    given = np.mod(targets, 360)
    found = cross_fit(
        Recorder(lambda number: np.full((N, 1), (359.0, 3.0)[number])),
        given,
        n_folds=FOLDS,
        most_rounds=2,
        periods=[360.0],
    )
    np.testing.assert_allclose(np.mod(found.predictions, 360), 1.0)
    np.testing.assert_allclose(found.spread, np.sqrt(8.0))  # 2 on either side of 1
    assert found.history[-1].flags == N // 10


def test_learners_get_the_posteriors_of_the_round_before(targets):
    made = np.stack([changing(number) for number in range(3)])
    learner = Recorder(made.__getitem__, is_robust=True)
    cross_fit(learner, targets, n_folds=FOLDS, most_rounds=3, seed=5)
    assert learner.teachings[:FOLDS] == [None] * FOLDS
    for number in (1, 2):
        residuals = targets - made[:number].mean(axis=0)
        expected = LabelMixture.fit(residuals, seed=5).responsibilities(residuals)
        for teaching in learner.teachings[number * FOLDS : (number + 1) * FOLDS]:
            np.testing.assert_allclose(teaching.responsibilities, expected, atol=1e-9)
            np.testing.assert_allclose(teaching.weights, weights_without_verdict(residuals, ((0,),)), atol=1e-9)


def test_a_missing_label_has_no_posterior_and_is_predicted(targets):
    targets[::7] = np.nan
    learner = Recorder(zero)
    found = cross_fit(learner, targets, n_folds=FOLDS)
    assert np.isfinite(found.predictions).all()
    np.testing.assert_array_equal(np.isnan(learner.teachings[-1].responsibilities), np.isnan(targets))


def test_residuals_are_divided_by_the_local_noise():
    rng = np.random.default_rng(0)
    features = np.sort(rng.uniform(size=(N, 1)), axis=0)
    targets = np.where(features > 0.5, 3.0, 1.0) * rng.normal(size=(N, 1))
    targets[::10] += 60
    options = {"n_folds": FOLDS, "inliers": "gaussian", "most_rounds": 2}
    np.testing.assert_array_equal(cross_fit(Recorder(zero), targets, **options).scale, 1)
    found = cross_fit(Recorder(zero, memorised=0), targets, **options, noise=LocalNoise(standardised(features)))
    ratio = np.median(found.scale[features > 0.6]) / np.median(found.scale[features < 0.4])
    assert ratio > 1.3
    # The mixture is fitted to the divided residuals.
    np.testing.assert_allclose(
        found.mixture.base.responsibilities(targets / found.scale),
        LabelMixture.fit(targets / found.scale, inliers="gaussian").responsibilities(targets / found.scale),
    )


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"n_folds": 4, "most_rounds": 4}, "most_rounds"),
        ({"n_folds": MOST_FITS + 1, "most_rounds": 1}, "most_rounds"),
        ({"n_folds": 1}, "n_folds"),
        ({"most_rounds": 0}, "most_rounds"),
        ({"seed": -1}, "seed"),
        ({"inliers": "normal"}, "inliers"),
    ],
)
def test_bad_parameters_are_refused_before_any_fit(targets, options, parameter):
    learner = Recorder(zero)
    with pytest.raises(InvalidParameterError, match=f"`{parameter}`"):
        cross_fit(learner, targets, **options)
    assert learner.trains == []


def test_the_largest_number_of_fits_is_allowed(targets):
    learner = Recorder(changing, n_folds=3)
    assert (
        sum(each.fits for each in cross_fit(learner, targets, n_folds=3, most_rounds=5, inliers="gaussian").history)
        <= MOST_FITS
    )
    with pytest.raises(InvalidParameterError, match=r"at most 5 with 3 folds.*18 fits"):
        cross_fit(learner, targets, n_folds=3, most_rounds=6)


def test_a_target_without_labels_and_too_few_names_are_refused(targets):
    learner = Recorder(zero)
    with pytest.raises(InvalidDataError, match=r"columns \[1\]"):
        cross_fit(learner, np.hstack([targets, np.full((N, 1), np.nan)]), n_folds=FOLDS)
    with pytest.raises(InvalidDataError, match="Each of 3 folds should have at least one value of `keep_together`"):
        cross_fit(learner, targets, keep_together=["one", "two"] * (N // 2), n_folds=FOLDS)
    names = ["all"] * (N - 5) + list("abcde")
    with pytest.raises(InvalidDataError, match=rf"at least 6 samples.*leaves 5 of {N}\. {N - 5} samples share a value"):
        cross_fit(learner, targets, keep_together=names, n_folds=FOLDS)
    with pytest.raises(InvalidDataError, match=r"leaves 3 of 7\.$"):
        cross_fit(learner, targets[:7], n_folds=2)
    assert learner.trains == []
