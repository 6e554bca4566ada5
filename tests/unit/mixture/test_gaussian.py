"""One variance for all groups: it is shared whatever the status of a group is, and refused for several sizes."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from deepgum.errors import DeepGUMError, IdentifiabilityWarning, InvalidParameterError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.blocks import columns, make_block
from deepgum.mixture.e_step import summarise
from deepgum.mixture.em import EM
from deepgum.mixture.partition import SizeClass
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import uniform_rule

S = MixtureStatus


def random(*shape: int, seed: int = 0, normal: bool = True) -> torch.Tensor:
    draw = torch.randn if normal else torch.rand
    return draw(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_bad_landmark() -> torch.Tensor:
    """Three landmarks of variance 1, 30 % of the second one wrong."""
    residuals = random(2000, 6)
    residuals[:600, 2:4] = 40 * random(600, 2, seed=1, normal=False) - 20
    return residuals


def fit(residuals: torch.Tensor, **settings: object) -> GaussianUniformMixture:
    mixture = GaussianUniformMixture(**({"groups": "landmark", "covariance_type": "tied-spherical"} | settings))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        return mixture.fit(residuals)


def shared(mixture: GaussianUniformMixture) -> float:
    """Return the variance that all covariances share."""
    variance = mixture.covariances_[0][0, 0]
    for covariance in mixture.covariances_:
        assert torch.equal(covariance, variance * torch.eye(len(covariance), dtype=torch.float64))
    return variance.item()


def test_clean_groups_share_the_mean_square_of_all_residuals():
    residuals = random(2000, 6)
    mixture = fit(residuals)
    assert set(mixture.status_) == {S.NO_OUTLIERS}
    assert shared(mixture) == pytest.approx(residuals.square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"inlier_prior": 0.95, "uniform": -math.log(40)}])
def test_a_group_with_outliers_among_clean_ones_keeps_the_variance_of_the_inliers(settings):
    residuals = one_bad_landmark()
    mixture = fit(residuals, **settings)
    assert shared(mixture) == pytest.approx(1, abs=0.05)
    flags = mixture.responsibilities(residuals) < 0.5
    # About 3 % of a uniform density over 40 x 40 lie among the inliers.
    assert flags[:600, 1].double().mean() > 0.95
    assert flags[:, [0, 2]].double().mean() < 0.02
    if not settings:
        assert (mixture.status_[0], mixture.status_[2]) == (S.NO_OUTLIERS, S.NO_OUTLIERS)
        assert mixture.inlier_prior_[1].item() == pytest.approx(0.7, abs=0.02)


def test_the_other_structures_do_not_share():
    mixture = fit(one_bad_landmark() * torch.tensor([1.0, 1, 3, 3, 1, 1]), covariance_type="spherical")
    assert mixture.covariances_[1][0, 0] > 5 * mixture.covariances_[0][0, 0]


@pytest.mark.parametrize("values", [math.nan, 0.0, "uniform"])
def test_a_group_that_is_no_mixture_has_its_own_status_and_the_shared_variance(values):
    residuals = random(2000, 6)
    residuals[:, :2] = 10 * random(2000, 2, seed=2, normal=False) - 5 if values == "uniform" else values
    mixture = fit(residuals)
    expected = {"uniform": S.NO_INLIERS, 0.0: S.COLLAPSED_COVARIANCE}.get(values, S.TOO_FEW_SAMPLES)
    assert mixture.status_[0] is expected
    assert mixture.status_[1:] == (S.NO_OUTLIERS, S.NO_OUTLIERS)
    # Residuals of 0 are certain inliers, a third of the samples. In the other cases the group does not count.
    certain = residuals if values == 0 else residuals[:, 2:]
    assert shared(mixture) == pytest.approx(certain.square().mean().item(), rel=1e-4)
    assert torch.isfinite(mixture.responsibilities(residuals)).all()


@pytest.mark.parametrize("residuals", [torch.full((30, 4), math.nan).double(), torch.zeros(30, 4).double()])
def test_without_any_information_results_are_finite(residuals):
    mixture = fit(residuals)
    assert set(mixture.status_) <= {S.TOO_FEW_SAMPLES, S.COLLAPSED_COVARIANCE}
    assert shared(mixture) > 0
    assert torch.isfinite(mixture.responsibilities(random(5, 4))).all()


def test_a_group_without_labels_does_not_count_in_the_start():
    # Without labels a group has the scale 1, which is a billion times that of the others.
    residuals = 1e-9 * random(500, 6)
    residuals[:, :2] = math.nan
    scales = spread(columns(residuals, SizeClass((0, 1, 2), ((0, 1), (2, 3), (4, 5)))))
    em = EM("tied-spherical", uniform_rule("moments"), None, reg_covar=0.0, tol=0.0, max_iter=1)
    assert em.start(scales).covariance.max().item() == pytest.approx(1e-18, rel=0.3)


def test_statistics_of_halves_give_the_m_step_of_the_whole():
    residuals = one_bad_landmark()
    groups = SizeClass((0, 1, 2), ((0, 1), (2, 3), (4, 5)))
    em = EM("tied-spherical", uniform_rule("moments"), None, reg_covar=1e-6, tol=0.0, max_iter=1)
    scales = spread(columns(residuals, groups))
    start = em.start(scales)
    whole, *halves = (
        summarise(make_block(columns(part, groups)), start) for part in (residuals, residuals[:700], residuals[700:])
    )
    torch.testing.assert_close(
        em.m_step(halves[0] + halves[1], scales, start).covariance, em.m_step(whole, scales, start).covariance
    )


def test_groups_of_several_sizes_are_refused_before_any_fit():
    mixture = GaussianUniformMixture(groups=[[0, 1], [2]], covariance_type="tied-spherical")
    for call in (lambda: mixture.fit(random(50, 3)), lambda: mixture.resolve(3)):
        with pytest.raises(InvalidParameterError, match=r"`covariance_type` should be.*\[1, 2\].*'spherical'"):
            call()
    assert GaussianUniformMixture(groups=[[0, 1], [2]]).resolve(3) == ((0, 1), (2,))
    with pytest.raises(DeepGUMError, match="3"):
        GaussianUniformMixture(groups="landmark").resolve(3)


def test_the_state_and_a_warm_start_keep_one_variance():
    residuals = one_bad_landmark()
    mixture = fit(residuals, warm_start=True)
    again = GaussianUniformMixture.from_state_dict(mixture.state_dict())
    assert shared(again) == shared(mixture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        again.fit(residuals + 0.01)
    assert shared(again) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("steps", [1, 6, 9])
def test_a_tolerance_of_0_takes_exactly_max_iter_steps_without_a_warning(steps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = GaussianUniformMixture(groups="landmark", tol=0, max_iter=steps, inlier_prior=0.9)
        mixture.fit(one_bad_landmark())
    assert mixture.n_iter_ == steps
    assert set(mixture.status_) == {S.ITERATION_LIMIT}
    with pytest.warns(IdentifiabilityWarning, match="max_iter"):
        mixture.set_params(tol=1e-15, max_iter=2).fit(one_bad_landmark())
