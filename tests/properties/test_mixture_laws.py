"""The laws of the mixture, for all data."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.blocks import columns, make_block
from deepgum.mixture.e_step import summarise
from deepgum.mixture.em import EM
from deepgum.mixture.gaussian import Gaussian
from deepgum.mixture.partition import SizeClass
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import uniform_rule

seeds = st.integers(0, 2**31 - 1)
GROUPS = [[0, 1], [2, 3], [4], [5]]


def contaminated(seed: int, n: int = 300, outliers: float = 0.3, missing: float = 0.0) -> torch.Tensor:
    """Return correlated Gaussian residuals (n, 6), of which pairs are uniform on +-20, and NaN, at random."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(6) + 0.4 * torch.tril(torch.ones(6, 6), -1)
    wrong = (torch.rand(n, 3, generator=generator) < outliers).repeat_interleave(2, dim=1)
    wide = 40 * torch.rand(n, 6, generator=generator) - 20
    residuals = torch.where(wrong, wide, torch.randn(n, 6, generator=generator) @ mix.T).double()
    residuals[torch.rand(n, 6, generator=generator) < missing] = math.nan
    return residuals


def rotation(k: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(k, k, generator=generator, dtype=torch.float64))[0]


def close(actual: torch.Tensor, expected: torch.Tensor, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, missing=st.sampled_from([0.0, 0.2]))
def test_permuting_samples_permutes_the_responsibilities_only(seed, missing):
    residuals = contaminated(seed, missing=missing)
    order = torch.randperm(len(residuals), generator=torch.Generator().manual_seed(seed))
    one = GaussianUniformMixture(groups=GROUPS, tol=1e-9).fit(residuals)
    other = GaussianUniformMixture(groups=GROUPS, tol=1e-9).fit(residuals[order])
    close(other.inlier_prior_, one.inlier_prior_)
    close(other.log_uniform_density_, one.log_uniform_density_)
    for a, b in zip(other.covariances_, one.covariances_, strict=True):
        close(a, b)
    close(other.responsibilities(residuals[order]), one.responsibilities(residuals)[order], atol=1e-7)
    assert other.status_ == one.status_


@settings(max_examples=10, deadline=None)
@given(seed=seeds, missing=st.sampled_from([0.0, 0.2]), order=st.permutations(range(6)))
def test_permuting_coordinates_with_their_groups_changes_nothing(seed, missing, order):
    residuals = contaminated(seed, missing=missing)
    one = GaussianUniformMixture(groups=GROUPS, tol=1e-9).fit(residuals)
    renamed = [[order.index(column) for column in group] for group in GROUPS]
    other = GaussianUniformMixture(groups=renamed, tol=1e-9).fit(residuals[:, order])
    close(other.responsibilities(residuals[:, order]), one.responsibilities(residuals), atol=1e-7)
    for a, b in zip(other.covariances_, one.covariances_, strict=True):
        close(a, b)


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    exponent=st.floats(-6, 6),
    uniform=st.sampled_from(["moments", "range"]),
    covariance_type=st.sampled_from(["full", "diag", "spherical", "tied-spherical"]),
    missing=st.sampled_from([0.0, 0.1]),
)
def test_the_unit_of_residuals_does_not_matter(seed, exponent, uniform, covariance_type, missing):
    c = 10.0**exponent
    residuals = contaminated(seed, missing=missing)
    one, other = (
        GaussianUniformMixture(groups="landmark", uniform=uniform, covariance_type=covariance_type).fit(r)
        for r in (residuals, c * residuals)
    )
    close(other.inlier_prior_, one.inlier_prior_)
    close(other.log_uniform_density_, one.log_uniform_density_ - 2 * math.log(c))
    for a, b in zip(other.covariances_, one.covariances_, strict=True):
        close(a / c**2, b)
    close(other.responsibilities(c * residuals), one.responsibilities(residuals), atol=1e-7)
    assert other.status_ == one.status_
    assert other.n_iter_ == one.n_iter_


@settings(max_examples=10, deadline=None)
@given(seed=seeds, exponent=st.floats(-6, 6))
def test_the_units_of_single_coordinates_do_not_matter(seed, exponent):
    c = torch.tensor([1.0, 10.0**exponent] * 3, dtype=torch.float64)
    residuals = contaminated(seed)
    one, other = (GaussianUniformMixture(groups="landmark").fit(r) for r in (residuals, c * residuals))
    close(other.responsibilities(c * residuals), one.responsibilities(residuals), atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, k=st.integers(2, 6), exponent=st.integers(-6, 6))
def test_rotating_residuals_and_covariance_leaves_the_gaussian_unchanged(seed, k, exponent):
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(k, k, generator=generator, dtype=torch.float64) + 2 * torch.eye(k)
    covariance = 10.0**exponent * factor @ factor.T
    residuals = 10.0 ** (exponent / 2) * torch.randn(50, k, generator=generator, dtype=torch.float64)
    turn = rotation(k, seed)
    before = Gaussian(covariance[None]).log_density(residuals.T[None])
    after = Gaussian((turn @ covariance @ turn.T)[None]).log_density((residuals @ turn.T).T[None])
    close(after, before, rtol=1e-6, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_rotating_a_group_rotates_the_fit_with_a_fixed_uniform_density(seed):
    residuals = contaminated(seed)[:, :2]
    turn = rotation(2, seed)
    arguments = {"uniform": -math.log(40), "reg_covar": 0.0, "tol": 1e-11, "max_iter": 1000}
    one, other = (GaussianUniformMixture(**arguments).fit(r) for r in (residuals, residuals @ turn.T))
    close(other.covariances_[0], turn @ one.covariances_[0] @ turn.T, rtol=1e-6, atol=1e-7)
    close(other.responsibilities(residuals @ turn.T), one.responsibilities(residuals), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, uniform=st.sampled_from(["moments", "range", -3.0]), outliers=st.sampled_from([0.0, 0.3, 1.0]))
def test_responsibility_decreases_with_the_mahalanobis_distance_to_zero(seed, uniform, outliers):
    residuals = contaminated(seed, outliers=outliers)[:, :2]
    mixture = GaussianUniformMixture(uniform=uniform, inlier_prior=0.9).fit(residuals)
    probes = torch.cat([residuals, 3 * residuals])
    precision = torch.linalg.inv(mixture.covariances_[0])
    distance = (probes @ precision * probes).sum(1)
    r = mixture.responsibilities(probes)[:, 0]
    assert (r[distance.argsort()].diff() <= 1e-12).all()
    far = torch.tensor([[1e3, 0.0], [0.0, -1e6], [1e30, 1e30], [-1e99, 0.0]], dtype=torch.float64)
    assert (mixture.responsibilities(far) < 1e-9).all()
    assert torch.isfinite(mixture.log_likelihood(far)).all()


@settings(max_examples=10, deadline=None)
@given(seed=seeds, cut=st.integers(0, 300), missing=st.sampled_from([0.0, 0.3]), weighted=st.booleans())
def test_statistics_of_two_halves_add_up(seed, cut, missing, weighted):
    residuals = contaminated(seed, missing=missing)
    mixture = GaussianUniformMixture(groups=GROUPS).fit(contaminated(seed + 1))
    weights = torch.rand(300, generator=torch.Generator().manual_seed(seed)).double() if weighted else torch.ones(300)
    whole = mixture.partial_statistics(residuals, weights)
    halves = [mixture.partial_statistics(residuals[part], weights[part]) for part in (slice(cut), slice(cut, None))]
    both = halves[0] + halves[1]
    for a, b in zip(both.by_size, whole.by_size, strict=True):
        for field in fields(a):
            close(getattr(a, field.name), getattr(b, field.name), rtol=1e-9, atol=1e-8)


def em_steps(residuals, em, steps):
    """Yield the log-likelihood after each M step, from the robust start."""
    values = columns(residuals, SizeClass((0,), (tuple(range(residuals.shape[1])),)))
    scales, block = spread(values), make_block(values)
    parameters = em.start(scales)
    for _ in range(steps):
        statistics = summarise(block, parameters)
        yield statistics.log_likelihood.item()
        parameters = em.m_step(statistics, scales, parameters)


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    covariance_type=st.sampled_from(["full", "diag", "spherical"]),
    missing=st.sampled_from([0.0, 0.2, 0.6]),
    prior=st.sampled_from([None, 0.8]),
    uniform=st.sampled_from(["range", -3.7]),
    k=st.sampled_from([1, 2, 4, 6]),
)
def test_with_a_fixed_uniform_density_the_likelihood_never_falls(seed, covariance_type, missing, prior, uniform, k):
    # With missing labels this holds only if the expected scatter is exact.
    residuals = contaminated(seed, n=100, missing=missing)[:, :k]
    em = EM(covariance_type, uniform_rule(uniform), prior, reg_covar=0.0, tol=0.0, max_iter=1)
    path = list(em_steps(residuals, em, 40))
    for before, after in pairwise(path):
        assert after >= before - 1e-9 * abs(before)
    assert path[-1] > path[0]


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds, missing=st.sampled_from([0.0, 0.3]), prior=st.sampled_from([None, 0.8]), k=st.sampled_from([1, 2, 3])
)
def test_with_a_shared_covariance_the_likelihood_of_all_groups_never_falls(seed, missing, prior, k):
    residuals = contaminated(seed, n=100, missing=missing) * torch.tensor([1, 1, 3, 3, 0.3, 0.3], dtype=torch.float64)
    groups = tuple(tuple(range(first, first + k)) for first in range(0, 6, k))
    values = columns(residuals, SizeClass(tuple(range(len(groups))), groups))
    scales, block = spread(values), make_block(values)
    em = EM("tied-spherical", uniform_rule(-3.7), prior, reg_covar=0.0, tol=0.0, max_iter=1)
    parameters, path = em.start(scales), []
    for _ in range(30):
        statistics = summarise(block, parameters)
        path.append(statistics.log_likelihood.sum().item())
        parameters = em.m_step(statistics, scales, parameters)
        assert (parameters.covariance == parameters.covariance[0, 0, 0] * torch.eye(k, dtype=torch.float64)).all()
    for before, after in pairwise(path):
        assert after >= before - 1e-9 * abs(before)
    assert path[-1] > path[0]


@settings(max_examples=10, deadline=None)
@given(seed=seeds, missing=st.sampled_from([0.0, 0.2]))
def test_a_shared_covariance_does_not_depend_on_the_order_of_the_groups(seed, missing):
    residuals = contaminated(seed, missing=missing)
    settings = {"covariance_type": "tied-spherical", "inlier_prior": 0.7, "tol": 1e-9}
    one = GaussianUniformMixture(groups=[[0, 1], [2, 3], [4, 5]], **settings).fit(residuals)
    other = GaussianUniformMixture(groups=[[5, 4], [0, 1], [3, 2]], **settings).fit(residuals)
    close(other.covariances_[0], one.covariances_[0])
    close(other.responsibilities(residuals), one.responsibilities(residuals)[:, [2, 0, 1]], atol=1e-7)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, missing=st.sampled_from([0.0, 0.2]))
def test_a_whole_weight_counts_as_copies(seed, missing):
    residuals = contaminated(seed, missing=missing)
    copies = torch.randint(0, 4, (300,), generator=torch.Generator().manual_seed(seed))
    weighted = GaussianUniformMixture(groups=GROUPS, tol=1e-9).fit(residuals, sample_weight=copies)
    repeated = GaussianUniformMixture(groups=GROUPS, tol=1e-9).fit(residuals.repeat_interleave(copies, dim=0))
    close(weighted.inlier_prior_, repeated.inlier_prior_, rtol=1e-6)
    close(weighted.log_uniform_density_, repeated.log_uniform_density_, rtol=1e-6)
    for a, b in zip(weighted.covariances_, repeated.covariances_, strict=True):
        close(a, b, rtol=1e-5, atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(seed=seeds, exponent=st.floats(-6, 6), outliers=st.sampled_from([0.0, 0.3]))
def test_only_the_ratios_of_the_weights_matter(seed, exponent, outliers):
    residuals = contaminated(seed, outliers=outliers)
    weights = 0.1 + torch.rand(300, generator=torch.Generator().manual_seed(seed)).double()
    one, other = (GaussianUniformMixture(groups=GROUPS).fit(residuals, w) for w in (weights, 10.0**exponent * weights))
    assert one.status_ == other.status_
    close(other.responsibilities(residuals), one.responsibilities(residuals), atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("uniform", ["moments", "range", -math.log(40)])
def test_known_parameters_are_recovered_within_their_standard_errors(seed, uniform):
    n, prior, width = 20_000, 0.65, 40.0
    generator = torch.Generator().manual_seed(seed)
    covariance = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
    residuals = torch.randn(n, 2, generator=generator, dtype=torch.float64) @ torch.linalg.cholesky(covariance).T
    wrong = torch.rand(n, generator=generator) >= prior
    residuals[wrong] = width * (torch.rand(int(wrong.sum()), 2, generator=generator, dtype=torch.float64) - 0.5)
    mixture = GaussianUniformMixture(uniform=uniform).fit(residuals)
    assert mixture.status_ == (MixtureStatus.CONVERGED,)
    # Standard errors for known inliers, times 4. The few outliers in the core add little to them.
    assert mixture.inlier_prior_.item() == pytest.approx(prior, abs=4 * math.sqrt(prior * (1 - prior) / n))
    variance = covariance.diagonal()
    errors = ((torch.outer(variance, variance) + covariance.square()) / (prior * n)).sqrt()
    assert ((mixture.covariances_[0] - covariance).abs() < 4 * errors).all()
    # The second moment of a uniform density has the relative variance 0.8 / n; the log width a quarter of it, twice.
    error = math.sqrt(2 * 0.2 / ((1 - prior) * n))
    assert mixture.log_uniform_density_.item() == pytest.approx(-2 * math.log(width), abs=4 * error)
    # The posterior is a probability: among labels with a posterior of p, a share of p is right.
    r = mixture.responsibilities(residuals)[:, 0]
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        inside = (r > low) & (r <= high)
        expected, seen = r[inside].mean().item(), (~wrong[inside]).double().mean().item()
        assert seen == pytest.approx(expected, abs=4.5 * math.sqrt(0.25 / int(inside.sum())))
