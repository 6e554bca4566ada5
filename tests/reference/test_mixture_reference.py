"""The mixture against scikit-learn, SciPy, a plain float64 loop and brute-force integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance

from deepgum.mixture import GaussianUniformMixture
from deepgum.mixture.blocks import columns, make_block
from deepgum.mixture.e_step import summarise
from deepgum.mixture.em import EM
from deepgum.mixture.parameters import Parameters
from deepgum.mixture.partition import SizeClass
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import Uniform, uniform_rule

COVARIANCE = np.array([[1.0, 0.5, -0.3], [0.5, 2.0, 0.4], [-0.3, 0.4, 0.7]])
LOG_UNIFORM = np.array([-2.0, -1.5, -1.0])
PRIOR = 0.7


def contaminated(n: int, d: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    inliers = generator.multivariate_normal(np.zeros(3), COVARIANCE, size=n)[:, :d]
    wrong = generator.random((n, 1)) < 0.35
    return np.where(wrong, generator.uniform(-9, 15, size=(n, d)), inliers)


def parameters() -> Parameters:
    return Parameters(
        torch.tensor([PRIOR], dtype=torch.float64),
        torch.tensor(COVARIANCE)[None],
        Uniform(torch.tensor(LOG_UNIFORM)[None]),
    )


def block_of(residuals: np.ndarray):
    values = columns(torch.from_numpy(residuals), SizeClass((0,), (tuple(range(residuals.shape[1])),)))
    scales = spread(values)
    return make_block(values), scales


def naive_em(residuals: np.ndarray, steps: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return the result of equations 2 to 6, computed sample by sample from an arbitrary start."""
    n, d = residuals.shape
    prior, covariance, width = 0.5, np.diag(np.median(np.abs(residuals), axis=0) ** 2), np.ptp(residuals, axis=0)
    for _ in range(steps):
        inlier = prior * stats.multivariate_normal.pdf(residuals, np.zeros(d), covariance)
        r = inlier / (inlier + (1 - prior) / np.prod(width))
        covariance = sum(r[i] * np.outer(residuals[i], residuals[i]) for i in range(n)) / r.sum()
        prior = r.sum() / n
        first = sum((1 - r[i]) / (1 - prior) * residuals[i] for i in range(n)) / n
        second = sum((1 - r[i]) / (1 - prior) * residuals[i] ** 2 for i in range(n)) / n
        width = 2 * np.sqrt(3 * (second - first**2))
    return prior, covariance, width, r


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_fixed_point_is_that_of_a_plain_loop(d):
    residuals = contaminated(200, d, seed=d)
    prior, covariance, width, r = naive_em(residuals, steps=150)
    mixture = GaussianUniformMixture(reg_covar=0.0, tol=1e-13, max_iter=2000).fit(residuals)
    assert mixture.inlier_prior_[0] == pytest.approx(prior, rel=1e-7)
    np.testing.assert_allclose(mixture.covariances_[0], covariance, rtol=1e-6, atol=1e-8)
    assert mixture.log_uniform_density_[0] == pytest.approx(-np.log(width).sum(), rel=1e-8)
    np.testing.assert_allclose(mixture.responsibilities(residuals)[:, 0], r, atol=1e-7)


def test_one_m_step_covariance_is_scikit_learns_on_weighted_residuals():
    residuals = contaminated(500, 3, seed=0)
    block, scales = block_of(residuals)
    before = parameters()
    mixture_like = before.log_joint(torch.from_numpy(residuals).T[None])
    r = torch.sigmoid(mixture_like[0] - mixture_like[1])[0].numpy()
    em = EM("full", uniform_rule("moments"), None, reg_covar=0.0, tol=0.0, max_iter=1)
    after = em.m_step(summarise(block, before), scales, before)
    expected = EmpiricalCovariance(assume_centered=True).fit(np.sqrt(r)[:, None] * residuals).covariance_
    np.testing.assert_allclose(after.covariance[0].numpy(), expected * len(r) / r.sum(), rtol=1e-12, atol=1e-14)
    assert after.inlier_prior.item() == pytest.approx(r.mean(), rel=1e-12)
    outliers = np.sqrt(np.cov(residuals.T, aweights=1 - r, ddof=0).diagonal())
    width = 2 * np.sqrt(3) * outliers
    np.testing.assert_allclose(after.outliers.log_density_per_coordinate[0].numpy(), -np.log(width), rtol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_structures_are_those_of_maximum_likelihood(covariance_type):
    residuals = contaminated(400, 3, seed=1)
    block, scales = block_of(residuals)
    # A prior of 1: every residual is an inlier, so the M step is the maximum-likelihood Gaussian of mean 0.
    em = EM(covariance_type, uniform_rule("range"), 1.0, reg_covar=0.0, tol=0.0, max_iter=1)
    start = em.start(scales)
    covariance = em.m_step(summarise(block, start), scales, start).covariance[0].numpy()
    scatter = residuals.T @ residuals / len(residuals)
    expected = {"full": scatter, "diag": np.diag(scatter.diagonal()), "spherical": np.eye(3) * np.trace(scatter) / 3}
    np.testing.assert_allclose(covariance, expected[covariance_type], rtol=1e-12, atol=1e-12)


def test_a_tied_covariance_is_that_of_the_samples_of_all_groups():
    # With a fixed prior and a fixed density the groups differ in nothing else.
    residuals = np.hstack([contaminated(400, 2, seed=seed) for seed in (3, 4, 5)])
    settings = {"inlier_prior": 0.8, "uniform": -math.log(24), "tol": 1e-13, "max_iter": 1000, "reg_covar": 0.0}
    tied = GaussianUniformMixture(groups="landmark", covariance_type="tied-spherical", **settings).fit(residuals)
    listed = GaussianUniformMixture(covariance_type="spherical", **settings).fit(residuals.reshape(-1, 2))
    for covariance in tied.covariances_:
        np.testing.assert_allclose(covariance, listed.covariances_[0], rtol=1e-10)
    np.testing.assert_allclose(
        tied.responsibilities(residuals), listed.responsibilities(residuals.reshape(-1, 2)).reshape(-1, 3), atol=1e-10
    )


def test_one_tied_m_step_is_that_of_a_plain_float64_loop():
    residuals = np.hstack([contaminated(150, 2, seed=1), 0.3 * contaminated(150, 2, seed=2)])
    residuals[::4, 0] = np.nan
    residuals[::5, 2:] = np.nan
    groups = SizeClass((0, 1), ((0, 1), (2, 3)))
    values = columns(torch.from_numpy(residuals), groups)
    em = EM("tied-spherical", uniform_rule(-1.0), None, reg_covar=0.0, tol=0.0, max_iter=1)
    scales = spread(values)
    block = make_block(values)
    start = em.start(scales)
    before = start.covariance[0, 0, 0].item()
    assert (start.covariance == before * torch.eye(2, dtype=torch.float64)).all()
    top = bottom = 0.0
    for row in residuals:
        for group in groups.columns:
            delta = row[list(group)]
            delta = delta[~np.isnan(delta)]
            if len(delta):
                inlier = 0.5 * np.prod(stats.norm.pdf(delta, 0, math.sqrt(before)))
                r = inlier / (inlier + 0.5 * math.exp(-len(delta)))
                # A missing coordinate has the expected square of the previous variance.
                top += r * (np.sum(delta**2) + (2 - len(delta)) * before)
                bottom += r * 2
    after = em.m_step(summarise(block, start), scales, start).covariance
    np.testing.assert_allclose(after.numpy(), top / bottom * np.stack([np.eye(2)] * 2), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 6])
def test_given_responsibilities_make_it_a_plain_loop_that_begins_with_the_m_step(steps):
    residuals, groups = np.hstack([contaminated(200, 2, seed=3), contaminated(200, 2, seed=4)]), ((0, 1), (2, 3))
    given = np.random.default_rng(0).random((200, 2))
    expected = given.copy()
    for _ in range(steps):
        for column, group in enumerate(groups):
            delta, r = residuals[:, list(group)], expected[:, column]
            deviation = math.sqrt((r[:, None] * delta**2).sum() / (2 * r.sum()))
            inlier = 0.95 * np.prod(stats.norm.pdf(delta, 0, deviation), axis=1)
            expected[:, column] = inlier / (inlier + 0.05 * 24.0**-2)
    mixture = GaussianUniformMixture(
        groups=groups, covariance_type="spherical", inlier_prior=0.95, uniform=-math.log(24), tol=0, max_iter=steps,
        reg_covar=0.0,
    ).fit(residuals, responsibilities=given)  # fmt: skip
    assert mixture.n_iter_ == steps
    np.testing.assert_allclose(mixture.responsibilities(residuals), expected, atol=1e-12)


def test_given_responsibilities_also_weight_rows_that_are_observed_in_part():
    residuals = contaminated(300, 3, seed=7)
    residuals[::3, 1] = np.nan
    residuals[::4, 0] = np.nan
    block, _ = block_of(residuals)
    before = parameters()
    own = before.log_joint(block.values)
    r = torch.sigmoid(own[0] - own[1])
    for row in range(300):
        alone, _ = block_of(residuals[[row]])
        r[0, row] = summarise(alone, before).inlier_weight[0]
    given, usual = summarise(block, before, r), summarise(block, before)
    for name in ("inlier_weight", "scatter", "outlier_weight", "outlier_first", "outlier_second"):
        np.testing.assert_allclose(getattr(given, name).numpy(), getattr(usual, name).numpy(), rtol=1e-9, err_msg=name)
    assert summarise(block, before, torch.zeros_like(r)).scatter.abs().max() == 0


def test_log_likelihood_and_responsibilities_are_scipys():
    residuals = contaminated(300, 3, seed=2)
    mixture = GaussianUniformMixture().fit(residuals)
    prior, density = mixture.inlier_prior_[0], mixture.log_uniform_density_[0]
    inlier = np.log(prior) + stats.multivariate_normal.logpdf(residuals, np.zeros(3), mixture.covariances_[0])
    outlier = np.full_like(inlier, np.log1p(-prior) + density)
    total = logsumexp([inlier, outlier], axis=0)
    np.testing.assert_allclose(mixture.log_likelihood(residuals)[:, 0], total, rtol=1e-10)
    np.testing.assert_allclose(mixture.responsibilities(residuals)[:, 0], np.exp(inlier - total), atol=1e-12)


@pytest.mark.parametrize("observed", [(0,), (1,), (0, 2), (1, 2), (2, 0, 1)])
def test_missing_labels_have_scipys_marginals(observed):
    seen = sorted(observed)
    residuals = np.full((20, 3), np.nan)
    residuals[:, seen] = contaminated(20, 3, seed=3)[:, seen]
    block, _ = block_of(residuals)
    statistics = summarise(block, parameters())
    marginal = stats.multivariate_normal(np.zeros(len(seen)), COVARIANCE[np.ix_(seen, seen)])
    inlier = np.log(PRIOR) + marginal.logpdf(residuals[:, seen])
    outlier = np.full_like(inlier, np.log(1 - PRIOR) + LOG_UNIFORM[seen].sum())
    total = logsumexp([inlier, outlier], axis=0)
    assert statistics.log_likelihood.item() == pytest.approx(total.sum(), rel=1e-12)
    assert statistics.inlier_weight.item() == pytest.approx(np.exp(inlier - total).sum(), rel=1e-12)


@pytest.mark.parametrize("missing", [(0,), (2,), (0, 1), (1, 2)])
def test_missing_labels_are_integrated_out_exactly(missing):
    """Marginal density and expected outer product, by brute-force integration of the joint density."""
    residual = np.array([0.8, -1.1, 0.4])
    residual[list(missing)] = np.nan
    joint = stats.multivariate_normal(np.zeros(3), COVARIANCE)

    # The trapezium rule is exact up to rounding for a function that is 0 at both ends.
    axis, step = np.linspace(-12, 12, 301, retstep=True)
    points = np.tile(residual, (len(axis) ** len(missing), 1))
    points[:, list(missing)] = np.stack(np.meshgrid(*[axis] * len(missing)), axis=-1).reshape(len(points), -1)
    mass = joint.pdf(points) * step ** len(missing)
    marginal = mass.sum()
    outer = points.T @ (mass[:, None] * points) / marginal
    density = math.exp(sum(LOG_UNIFORM[i] for i in range(3) if i not in missing))
    total = PRIOR * marginal + (1 - PRIOR) * density
    r = PRIOR * marginal / total

    block, _ = block_of(np.vstack([residual, [1.0, 1.0, 1.0]]))
    alone, _ = block_of(np.ones((1, 3)))
    with_it, without = summarise(block, parameters()), summarise(alone, parameters())
    assert (with_it.log_likelihood - without.log_likelihood).item() == pytest.approx(math.log(total), rel=1e-9)
    assert (with_it.inlier_weight - without.inlier_weight).item() == pytest.approx(r, rel=1e-9)
    np.testing.assert_allclose((with_it.scatter - without.scatter)[0].numpy(), r * outer, rtol=1e-8, atol=1e-10)
    observed = ~np.isnan(residual)
    outside = (with_it.outlier_first - without.outlier_first)[0].numpy()
    np.testing.assert_allclose(outside, (1 - r) * np.where(observed, residual, 0.0), rtol=1e-9, atol=1e-12)


def test_labels_missing_at_random_cause_no_bias():
    residuals = contaminated(20_000, 3, seed=5)
    complete = GaussianUniformMixture().fit(residuals)
    holes = residuals.copy()
    holes[np.random.default_rng(6).random(holes.shape) < 0.3] = np.nan
    partial = GaussianUniformMixture().fit(holes)
    assert partial.inlier_prior_[0] == pytest.approx(complete.inlier_prior_[0], abs=0.02)
    np.testing.assert_allclose(partial.covariances_[0], complete.covariances_[0], atol=0.1)
    assert partial.log_uniform_density_[0] == pytest.approx(complete.log_uniform_density_[0], abs=0.1)
