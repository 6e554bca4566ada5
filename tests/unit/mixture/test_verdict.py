"""The verdict: the status of groups with and without a mixture, with finite responsibilities for all of them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.blocks import make_block
from deepgum.mixture.em import EM
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import OutlierMoments
from deepgum.mixture.verdict import _likelihoods

S = MixtureStatus


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fit_quietly(residuals: torch.Tensor, **settings: object) -> GaussianUniformMixture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        return GaussianUniformMixture(**settings).fit(residuals)


def assert_usable(mixture: GaussianUniformMixture, residuals: torch.Tensor) -> None:
    assert torch.isfinite(mixture.log_likelihood(residuals)).all()
    r = mixture.responsibilities(residuals)
    assert ((r >= 0) & (r <= 1)).all()
    for covariance in mixture.covariances_:
        assert (torch.linalg.eigvalsh(covariance) > 0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "d"), [(100, 1), (3000, 2), (300, 10), (2000, 20)])
def test_clean_gaussian_residuals_have_no_outliers(n, d, seed):
    residuals = normal(n, d, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # clean labels give no warning
        mixture = GaussianUniformMixture().fit(residuals)
    assert mixture.status_ == (S.NO_OUTLIERS,)
    r = mixture.responsibilities(residuals)
    assert (r > 0.9).double().mean() > 0.9
    # The covariance is that of all the residuals.
    torch.testing.assert_close(mixture.covariances_[0], residuals.T @ residuals / n, rtol=1e-4, atol=1e-4)
    # Residuals far away are still outliers.
    assert mixture.responsibilities(torch.full((1, d), 20.0)).item() < 1e-6


@pytest.mark.parametrize("d", [1, 2, 10])
def test_uniform_residuals_have_no_inliers(d):
    residuals = uniform(1000, d) - 0.5
    with pytest.warns(IdentifiabilityWarning, match="Group 0: no inliers.*inlier_prior"):
        mixture = GaussianUniformMixture().fit(residuals)
    assert mixture.status_ == (S.NO_INLIERS,)
    r = mixture.responsibilities(residuals)[:, 0]
    assert (r < 0.5).all()
    assert (r > 0).all()
    assert_usable(mixture, residuals)


@pytest.mark.parametrize("d", [1, 2, 10])
@pytest.mark.parametrize("outliers", [0.02, 0.3, 0.6, 0.7])
@pytest.mark.parametrize("width", [20.0, 1e4])
def test_inliers_are_found_among_many_and_wide_outliers(d, outliers, width):
    residuals = normal(3000, d)
    wrong = uniform(3000, seed=1) < outliers
    residuals[wrong] = width * (2 * uniform(int(wrong.sum()), d, seed=2) - 1)
    mixture = GaussianUniformMixture().fit(residuals)
    assert mixture.status_ == (S.CONVERGED,)
    assert mixture.inlier_prior_.item() == pytest.approx(1 - wrong.double().mean().item(), abs=0.04)
    flags = mixture.responsibilities(residuals)[:, 0] < 0.5
    assert (flags == wrong).double().mean() > 0.9
    torch.testing.assert_close(mixture.covariances_[0], torch.eye(d).double(), rtol=0, atol=0.25)


def test_one_large_outlier_is_found_and_gives_no_narrow_uniform_density():
    residuals = normal(500, 2)
    residuals[17] = torch.tensor([60.0, -80.0])
    r = GaussianUniformMixture().fit(residuals).responsibilities(residuals)[:, 0]
    assert r[17] < 1e-6
    assert (r > 0.5).double().mean() > 0.97


def test_many_copies_of_one_outlier_give_no_narrow_uniform_density():
    residuals = normal(1000, 2)
    residuals[:300] = torch.tensor([7.0, 7.0])
    mixture = fit_quietly(residuals)
    r = mixture.responsibilities(residuals)[:, 0]
    assert (r[:300] < 0.5).all()
    assert (r[300:] > 0.5).double().mean() > 0.9
    widths = 2 * (3 * mixture.covariances_[0].diagonal()).sqrt()
    assert mixture.log_uniform_density_.item() <= -widths.log().sum().item() + 1e-9


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_outliers_on_one_side_are_found_also_with_missing_labels(covariance_type):
    residuals = normal(1000, 2)
    residuals[:450] = torch.tensor([5.0, 5.0]) + 0.3 * residuals[:450]
    residuals[range(1000), torch.arange(1000) % 2] = math.nan
    mixture = GaussianUniformMixture(covariance_type=covariance_type).fit(residuals)
    assert mixture.status_ == (S.CONVERGED,)
    r = mixture.responsibilities(residuals)[:, 0]
    seen = ~residuals.isnan().all(1)
    assert (r[:450][seen[:450]] < 0.5).all()


@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 1.0, -1e30, 1e-42, 1e-310])
def test_identical_residuals_have_usable_responsibilities(d, value, reg_covar):
    residuals = torch.full((40, d), value, dtype=torch.float64)
    mixture = fit_quietly(residuals, reg_covar=reg_covar)
    if d > 1 or value == 0 or abs(value) < 1e-100:
        assert mixture.status_ == (S.COLLAPSED_COVARIANCE,)
    assert_usable(mixture, residuals)
    assert (mixture.responsibilities(residuals) > 0.5).all()


def test_copied_labels_give_a_collapsed_covariance_and_a_warning():
    residuals = normal(300, 2)
    residuals[:120] = 0.0
    with pytest.warns(IdentifiabilityWarning, match="Group 0: collapsed covariance.*reg_covar"):
        mixture = GaussianUniformMixture().fit(residuals)
    assert_usable(mixture, residuals)


def test_a_singular_covariance_collapses():
    line = normal(300, 1)
    residuals = torch.cat([line, 2 * line], dim=1)
    mixture = fit_quietly(residuals)
    assert mixture.status_ == (S.COLLAPSED_COVARIANCE,)
    assert_usable(mixture, residuals)
    assert fit_quietly(residuals, covariance_type="diag").status_ != (S.COLLAPSED_COVARIANCE,)


@pytest.mark.parametrize("scale", [1e30, 1e90, 1e-42, 1e-90])
def test_units_do_not_matter_even_if_they_are_extreme(scale):
    residuals = normal(500, 2)
    residuals[:150] = 40 * uniform(150, 2) - 20
    plain, scaled = fit_quietly(residuals), fit_quietly(residuals * scale)
    assert scaled.status_ == plain.status_ == (S.CONVERGED,)
    torch.testing.assert_close(
        scaled.responsibilities(residuals * scale), plain.responsibilities(residuals), rtol=1e-6, atol=1e-9
    )


def test_huge_outliers_do_not_change_the_inliers():
    residuals = normal(500, 2)
    residuals[:150] *= 1e30
    mixture = GaussianUniformMixture().fit(residuals)
    r = mixture.responsibilities(residuals)[:, 0]
    assert (r[:150] < 1e-6).all()
    assert (r[150:] > 0.999).all()
    assert mixture.covariances_[0].diagonal().max() < 2


def test_denormal_residuals_collapse():
    residuals = normal(100, 2) * 1e-310
    mixture = fit_quietly(residuals)
    assert mixture.status_ == (S.COLLAPSED_COVARIANCE,)
    assert_usable(mixture, residuals)


def test_a_group_without_labels_has_its_own_status_and_leaves_the_others_alone():
    residuals = normal(400, 6)
    residuals[:120] = 40 * uniform(120, 6) - 20
    whole = GaussianUniformMixture(groups="landmark").fit(residuals)
    residuals[:, 2] = math.nan
    residuals[2:, 3] = math.nan
    with pytest.warns(IdentifiabilityWarning, match="Group 1: too few samples"):
        mixture = GaussianUniformMixture(groups="landmark").fit(residuals)
    assert mixture.status_ == (S.CONVERGED, S.TOO_FEW_SAMPLES, S.CONVERGED)
    assert_usable(mixture, residuals)
    torch.testing.assert_close(mixture.inlier_prior_[[0, 2]], whole.inlier_prior_[[0, 2]], rtol=1e-4, atol=0)


def test_all_labels_missing():
    residuals = torch.full((30, 2), math.nan, dtype=torch.float64)
    mixture = fit_quietly(residuals)
    assert mixture.status_ == (S.TOO_FEW_SAMPLES,)
    assert_usable(mixture, torch.cat([residuals, normal(5, 2)]))


def test_with_a_fixed_prior_the_user_vouches_for_both_kinds():
    mixture = GaussianUniformMixture(inlier_prior=0.95, uniform=-math.log(20)).fit(normal(500, 2))
    assert mixture.status_ == (S.CONVERGED,)
    assert mixture.inlier_prior_.item() == 0.95


@pytest.mark.parametrize("status", list(S))
def test_every_status_speaks_and_every_fault_has_a_remedy(status):
    assert " " in status.value or status is S.CONVERGED
    assert bool(status.remedy) != status.is_usable


def test_a_group_stopped_by_max_iter_has_not_converged_whatever_its_status_is():
    copied = normal(300, 2)
    copied[:120] = 0.0
    for residuals, status in ((normal(300, 2), S.NO_OUTLIERS), (copied, S.COLLAPSED_COVARIANCE)):
        stopped = fit_quietly(residuals, max_iter=5)
        assert stopped.status_ == (status,)
        assert not stopped.converged_
        assert fit_quietly(residuals, max_iter=5000).converged_


def test_one_group_that_has_not_converged_is_enough():
    residuals = torch.cat([torch.full((300, 1), math.nan, dtype=torch.float64), normal(300, 2)], dim=1)
    groups = [[0], [1, 2]]
    assert not fit_quietly(residuals, groups=groups, max_iter=2).converged_
    assert fit_quietly(residuals, groups=groups, max_iter=5000).converged_


def peaked(n: int = 4000) -> torch.Tensor:
    """Residuals of right labels, of which a quarter is partly memorised."""
    residuals = normal(n, 1)
    residuals[: n // 4] *= 0.3
    return residuals


def width_ratio(mixture: GaussianUniformMixture) -> float:
    k = len(mixture.covariances_[0])
    outliers = np.exp(-float(mixture.log_uniform_density_[0]) / k) / np.sqrt(12)
    return float(outliers / np.linalg.det(np.asarray(mixture.covariances_[0])) ** (1 / (2 * k)))


def test_outliers_hardly_wider_than_inliers_are_no_outliers():
    residuals = peaked()
    forced = fit_quietly(residuals, separation=0.0, max_iter=2000)
    # Two Gaussians describe the residuals better than one, and many labels would be flagged.
    assert forced.status_ == (MixtureStatus.CONVERGED,)
    assert width_ratio(forced) < 2.5
    assert (forced.responsibilities(residuals) < 0.5).double().mean() > 0.05
    mixture = GaussianUniformMixture().fit(residuals)
    assert mixture.status_ == (MixtureStatus.NO_OUTLIERS,)
    assert not (mixture.responsibilities(residuals) < 0.5).any()


@pytest.mark.parametrize("separation", [2.0, 5.0, 9.0])
def test_the_separation_is_the_ratio_of_standard_deviations(separation):
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(4000, 2, generator=generator, dtype=torch.float64)
    half_width = 6 * np.sqrt(3)  # a standard deviation of 6
    residuals[:1200] = half_width * (2 * torch.rand(1200, 2, generator=generator, dtype=torch.float64) - 1)
    mixture = GaussianUniformMixture(separation=separation).fit(residuals)
    assert mixture.status_[0] == (MixtureStatus.CONVERGED if separation < 6 else MixtureStatus.NO_OUTLIERS)
    if separation < 6:
        assert width_ratio(mixture) == pytest.approx(6, rel=0.05)


def test_the_verdict_compares_the_likelihoods_of_its_three_densities():
    residuals = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    residuals[:60] *= 15
    values, weights = residuals.T.contiguous()[None], torch.rand(200, dtype=torch.float64) + 0.1
    scales, block = spread(values, weights), make_block(values, weights)
    em = EM("full", OutlierMoments(), None, reg_covar=0.0, tol=0.0, max_iter=5)
    fit = em.run(block, scales, em.start(scales))
    found = [each.item() for each in _likelihoods(block, scales, fit)]

    prior, statistics = fit.parameters.inlier_prior.item(), fit.statistics
    inlier = prior * multivariate_normal(cov=fit.parameters.covariance[0].numpy()).pdf(residuals)
    mean = (statistics.outlier_first / statistics.outlier_weight)[0]
    variance = (statistics.outlier_second / statistics.outlier_weight)[0] - mean**2
    wider = (1 - prior) * multivariate_normal(mean.numpy(), np.diag(variance)).pdf(residuals)
    box = 1 / np.prod(np.ptp(residuals.numpy(), axis=0))
    for log_likelihood, density in zip(found, (inlier + wider, inlier + (1 - prior) * box, box), strict=True):
        assert log_likelihood == pytest.approx(float((weights.numpy() * np.log(density)).sum()), rel=1e-12)
