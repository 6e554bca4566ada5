"""The second level as a whole: what changes, and what stays as it is to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepgum.mixture import MixtureStatus
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture, KindPosterior
from deepgum.posteriors.runs.run_level import RunLevel
from deepgum.posteriors.runs.run_names import Runs

RUNS, ROWS = 30, 20
NUMBERS = np.repeat(np.arange(RUNS), ROWS)
NAMED = Runs.of(NUMBERS.tolist())


def labels(targets=1, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(50, 100, size=(RUNS * ROWS, targets))
    return rng, truth, truth + rng.normal(size=truth.shape)


def level_of(given, truth, partition=((0,),), **options):
    comparison = replace(Comparison.of(given, truth, partition), **options)
    mixture = KindMixture.fit(comparison, intervals=False)
    before = mixture.posterior(comparison)
    return before, RunLevel.fit(mixture, comparison, before, NAMED, range(len(partition)))


def test_without_evidence_the_posterior_is_the_same_object():
    rng, truth, given = labels()
    given[rng.permutation(RUNS * ROWS)[:60]] += 30 * rng.normal(size=(60, 1))
    before, level = level_of(given, truth)
    assert level.posterior is before
    assert level.changes == (False,)
    assert level.status == (MixtureStatus.CONVERGED,)


def test_without_proven_wrong_labels_nothing_is_divided_among_runs():
    _, truth, given = labels()
    comparison = Comparison.of(given, truth, ((0,),))
    mixture = KindMixture.fit(comparison, intervals=False)
    before = KindPosterior(np.where(NUMBERS == 0, 0.4, 0.99)[:, None], np.zeros((0, RUNS * ROWS, 1)))
    level = RunLevel.fit(mixture, comparison, before, NAMED, [0])
    assert level.status == (MixtureStatus.NO_OUTLIERS,)
    assert level.posterior is before


def test_a_bad_run_has_more_flags_and_other_runs_have_fewer_doubts():
    rng, truth, given = labels()
    given[NUMBERS == 0] = truth[NUMBERS == 0] + 8 * rng.normal(size=(ROWS, 1))
    before, level = level_of(given, truth)
    right, bad = level.posterior.right[:, 0], NUMBERS == 0
    assert level.changes == (True,)
    assert (right < 0.5)[bad].sum() > (before.right[:, 0] < 0.5)[bad].sum()
    assert (right >= before.right[:, 0] - 1e-12)[~bad].mean() > 0.95


def test_probabilities_of_kinds_keep_their_part_of_the_wrong():
    rng, truth, given = labels()
    given[NUMBERS == 0] += 30 * rng.normal(size=(ROWS, 1))
    comparison = Comparison.of(given, truth, ((0,),))
    right = np.where(NUMBERS == 0, rng.uniform(0.1, 0.7, RUNS * ROWS), 0.99)[:, None]
    kinds = rng.random((2, RUNS * ROWS, 1)) * (1 - right) / 2
    mixture = KindMixture.fit(comparison, intervals=False)
    level = RunLevel.fit(mixture, comparison, KindPosterior(right, kinds), NAMED, [0])
    after = level.posterior
    assert (after.right < right)[NUMBERS == 0].all()
    np.testing.assert_allclose(after.kinds / (1 - after.right), kinds / (1 - right), rtol=1e-6)


def test_labels_with_a_known_error_are_no_offset():
    """All labels of the run have lost a digit, so they are off by about the same amount."""
    rng, _, _ = labels()
    truth = rng.uniform(50, 55, size=(RUNS * ROWS, 1))
    given = truth + rng.normal(size=truth.shape)
    given[NUMBERS < 2] /= 10
    _, level = level_of(given, truth)
    assert level.offsets is None
    assert (level.posterior.kinds.sum(axis=0)[NUMBERS < 2] > 0.9).all()


def test_a_run_that_is_off_is_wrong_although_each_label_alone_may_be_right():
    _, truth, given = labels()
    given[NUMBERS == 0] += 2.5
    before, level = level_of(given, truth)
    bad = NUMBERS == 0
    assert (before.right[bad, 0] < 0.5).sum() < 10
    assert (level.posterior.right[bad, 0] < 0.1).all()
    assert (level.drifted[bad, 0] > 0.9).sum() >= 18
    assert not level.drifted[~bad].any()
    assert level.status == (MixtureStatus.CONVERGED,)


def test_targets_have_their_own_shares_and_landmarks_share_them():
    rng, truth, given = labels(4)
    bad = NUMBERS == 0
    given[bad] = truth[bad] + 8 * rng.normal(size=(ROWS, 4))
    given[np.ix_(rng.permutation(RUNS * ROWS)[:60], [0, 1])] += 30 * rng.normal(size=(60, 2))
    _, level = level_of(given, truth, ((0,), (1,), (2,), (3,)))
    assert len({id(share) for share in level.shares}) == 4
    _, level = level_of(given, truth, ((0, 1), (2, 3)), landmarks=True)
    assert level.shares[0] is level.shares[1]
    assert level.shares[0].is_bad[0] > 0.99
    assert (level.posterior.right[bad] < 0.5).mean() > 0.9


def test_groups_that_cannot_be_judged_stay_as_they_are():
    rng, truth, given = labels(2)
    given[NUMBERS == 0] = truth[NUMBERS == 0] + 8 * rng.normal(size=(ROWS, 2))
    comparison = Comparison.of(given, truth, ((0,), (1,)))
    mixture = KindMixture.fit(comparison, intervals=False)
    before = mixture.posterior(comparison)
    level = RunLevel.fit(mixture, comparison, before, NAMED, [1])
    np.testing.assert_array_equal(level.posterior.right[:, 0], before.right[:, 0])
    assert level.changes == (False, True)


def test_missing_labels_stay_missing():
    rng, truth, given = labels()
    given[NUMBERS == 0] = truth[NUMBERS == 0] + 8 * rng.normal(size=(ROWS, 1))
    given[NUMBERS == 1] += 6
    given[::7] = np.nan
    _, level = level_of(given, truth)
    np.testing.assert_array_equal(np.isnan(level.posterior.right), np.isnan(given))
    assert level.offsets is not None
    assert level.posterior.right[~np.isnan(given)].min() >= 0
