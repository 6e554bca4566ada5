from __future__ import annotations

import numpy as np
import pytest
import torch

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.choice import LEAST_ROWS, _are_mixtures, choose, fit_chosen, starts
from deepgum.posteriors.densities import Gaussian, StudentT
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.inliers import AUTO, candidates
from deepgum.posteriors.power_law import PowerLaw

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")


def contaminated(n: int = 600, share: float = 0.1, k: int = 1, seed: int = 0) -> np.ndarray:
    """Gaussian residuals, of which a share is uniform within 25 scales."""
    rng = np.random.default_rng(seed)
    wrong = rng.random((n, 1)) < share
    return np.where(wrong, rng.uniform(-25, 25, (n, k)), rng.normal(size=(n, k)))


def test_below_the_least_number_of_rows_the_verdict_of_eq_1_stands() -> None:
    for n in (LEAST_ROWS - 1, LEAST_ROWS):
        residuals = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 1)))
        mixture = GaussianUniformMixture().fit(residuals)
        choice = choose(residuals, mixture)
        assert (len(choice.plausible[0]) == 1) == (n < LEAST_ROWS)
        if n < LEAST_ROWS:
            assert choice.densities == (Gaussian(),)
            assert choice.kinds == (("none" if mixture.status_[0] is MixtureStatus.NO_OUTLIERS else "uniform"),)


def test_each_group_has_its_own_density_and_plausibilities_sum_to_1() -> None:
    rng = np.random.default_rng(0)
    residuals = np.stack([rng.standard_t(2.5, 1000), rng.normal(size=1000), contaminated(1000)[:, 0]], axis=1)
    residuals = torch.from_numpy(residuals)
    choice = choose(residuals, GaussianUniformMixture(groups="coordinate").fit(residuals))
    assert choice.densities[0] in map(StudentT, (2.0, 2.5, 3.0))
    assert choice.densities[1] in (Gaussian(), StudentT(20.0), StudentT(10.0))
    assert choice.kinds == ("none", "none", "uniform")
    for plausible, chosen in zip(choice.plausible, choice.densities, strict=True):
        assert sum(plausible.values()) == pytest.approx(1)
        assert set(plausible) == set(candidates(AUTO))
        assert max(plausible, key=plausible.__getitem__) == chosen


def test_groups_beyond_the_eight_that_are_asked_get_the_density_of_the_others() -> None:
    rng = np.random.default_rng(0)
    residuals, t = torch.from_numpy(rng.standard_t(3, size=(300, 10))), StudentT(3.0)
    choice = choose(
        residuals, GaussianUniformMixture(groups="coordinate").fit(residuals), [Gaussian(), StudentT(7.0), t]
    )
    assert choice.densities.count(t) >= 8
    # Eight of ten groups are asked: the first, the last, and six between them.
    left_out = set(range(10)) - set(np.linspace(0, 9, 8, dtype=int).tolist())
    assert {choice.densities[place] for place in left_out} == {t}


def test_fits_begin_at_the_inliers_of_eq_1() -> None:
    residuals = torch.from_numpy(contaminated(300, k=2))
    mixture = GaussianUniformMixture().fit(residuals)
    (start,) = starts(mixture, [StudentT(4.0)])
    assert start.prior == pytest.approx(float(mixture.inlier_prior_[0]))
    assert (start.right, start.wrong.exponent) == (StudentT(4.0), 2.0)
    np.testing.assert_array_equal(start.scale.numpy(), np.asarray(mixture.covariances_[0]))
    fitted = fit_chosen(residuals, [start], ["radial"], mixture.partition_)
    assert (fitted.groups[0].right, fitted.groups[0].wrong.exponent) == (StudentT(4.0), 1.0)


def test_wrong_labels_of_several_coordinates_are_far_if_each_coordinate_spreads_widely_enough() -> None:
    k, far = 4, {}
    directions = np.random.default_rng(0).normal(size=(200_000, k))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distances = np.random.default_rng(1).random((200_000, 1)) ** (1 / k)
    spread = float((distances * directions).std())  # of a coordinate, uniform in a ball of radius 1
    for factor in (0.97, 1.03):
        law = PowerLaw(exponent=float(k), radius=factor * 2.5 / spread)
        group = GroupMixture(0.9, torch.eye(k, dtype=torch.float64), Gaussian(), law)
        far[factor] = _are_mixtures(GroupMixtures.of((group,), (tuple(range(k)),)), 2.5).tolist()
    assert far == {0.97: [False], 1.03: [True]}
