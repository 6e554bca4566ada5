"""The laws of posteriors beyond eq. 1, for all parameters."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.posteriors.densities import density_of
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.power_law import PowerLaw

INF = math.inf
freedoms = st.one_of(st.just(INF), st.floats(0.5, 50))
priors = st.floats(0.02, 0.999)
shares_of_k = st.floats(0.05, 1.0)
seeds = st.integers(0, 2**31 - 1)


def mixture_of(prior: float, scale: torch.Tensor, nu: float, b: float, radius: float) -> GroupMixture:
    return GroupMixture(prior, scale, density_of(None if math.isinf(nu) else nu), PowerLaw(b, radius))


def group_of(k: int, prior: float, nu: float, b: float, radius: float = 30.0, seed: int = 0) -> GroupMixture:
    root = torch.randn(k, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mixture_of(prior, root @ root.T + torch.eye(k, dtype=torch.float64), nu, b, radius)


def three_groups(nu: float, b: float = 1.0) -> GroupMixtures:
    groups = tuple(group_of(k, 0.8, nu, min(b, k), seed=seed) for seed, k in enumerate((2, 1, 2)))
    return GroupMixtures.of(groups, ((0, 3), (1,), (2, 4)))


def residuals_of(seed: int, n: int = 50, missing: float = 0.2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    values *= 10 ** torch.rand(n, 5, generator=generator, dtype=torch.float64)
    values[torch.rand(n, 5, generator=generator) < missing] = math.nan
    return values


@settings(max_examples=60, deadline=None)
@given(k=st.integers(1, 6), prior=priors, nu=freedoms, share=shares_of_k, seed=seeds, missing=st.integers(0, 5))
def test_a_posterior_falls_with_the_distance(k, prior, nu, share, seed, missing):
    direction = torch.randn(k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    direction[:missing][: k - 1] = math.nan
    reach = torch.cat([torch.linspace(0, 8, 161), torch.logspace(1, 150, 300, dtype=torch.float64)])
    mixtures = GroupMixtures.of((group_of(k, prior, nu, share * k, seed=seed),), (tuple(range(k)),))
    right = mixtures.responsibilities(reach[:, None] * direction)[:, 0]
    assert right.isfinite().all()
    assert (right.diff() <= 1e-12).all()
    # Far away both densities are powers, and the odds fall as the distance to the power of -(nu + b).
    assert right[-1] < 1e-9
    assert right[0] > right[160]


@pytest.mark.parametrize("nu", [3.0, INF])
@pytest.mark.parametrize("b", [1.0, 2.0])
@pytest.mark.parametrize("size", [1e99, 1e160, 1e300])
def test_the_largest_residual_is_wrong_and_harms_no_other(nu, b, size):
    mixtures = three_groups(nu, b)
    values = torch.full((1, 5), 0.5, dtype=torch.float64)
    near = mixtures.responsibilities(values)
    values[0, 0] = size
    found = mixtures.responsibilities(values)
    assert found.isfinite().all()
    assert found[0, 0] == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(found[0, 1:], near[0, 1:], atol=0.1, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, nu=freedoms, factor=st.floats(1e-6, 1e6), b=st.sampled_from([1.0, 2.0]))
def test_units_do_not_change_responsibilities_and_distances(seed, nu, factor, b):
    mixtures, values = three_groups(nu, b), residuals_of(seed)
    scaled = GroupMixtures.of(tuple(replace(g, scale=factor**2 * g.scale) for g in mixtures.groups), mixtures.partition)
    close = {"rtol": 1e-7, "atol": 1e-10, "equal_nan": True}
    torch.testing.assert_close(scaled.responsibilities(factor * values), mixtures.responsibilities(values), **close)
    torch.testing.assert_close(scaled.mahalanobis(factor * values), mixtures.mahalanobis(values), **close)
    seen = (~values.isnan()).sum(dim=1).double() * math.log(factor)
    torch.testing.assert_close(scaled.log_density(factor * values).sum(1) + seen, mixtures.log_density(values).sum(1))


@settings(max_examples=15, deadline=None)
@given(seed=seeds, nu=freedoms)
def test_the_order_of_samples_and_of_groups_does_not_matter(seed, nu):
    mixtures, values = three_groups(nu), residuals_of(seed)
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    found = mixtures.responsibilities(values)
    torch.testing.assert_close(mixtures.responsibilities(values[order]), found[order], equal_nan=True)
    turned = GroupMixtures.of(mixtures.groups[::-1], mixtures.partition[::-1])
    torch.testing.assert_close(turned.responsibilities(values).flip(1), found, equal_nan=True)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, nu=freedoms)
def test_a_group_without_labels_has_no_posterior_and_no_influence(seed, nu):
    mixtures, values = three_groups(nu), residuals_of(seed, missing=0.0)
    values[:, 1] = math.nan
    found = mixtures.responsibilities(values)
    assert found[:, 1].isnan().all()
    assert mixtures.mahalanobis(values)[:, 1].isnan().all()
    assert (mixtures.log_density(values)[:, 1] == 0).all()
    without = GroupMixtures.of((mixtures.groups[0], mixtures.groups[2]), ((0, 3), (2, 4)))
    torch.testing.assert_close(found[:, [0, 2]], without.responsibilities(values))


def beside(others: float, nu: float) -> float:
    """Return the posterior of a residual of 3 scales, in a sample with three other residuals of `others` scales."""
    one = mixture_of(0.9, torch.eye(1, dtype=torch.float64), nu, 1.0, 100.0)
    values = torch.tensor([[3.0, others, others, others]], dtype=torch.float64)
    return float(GroupMixtures.of((one,) * 4, ((0,), (1,), (2,), (3,))).responsibilities(values)[0, 0])


def test_large_residuals_of_other_groups_raise_the_posterior():
    alone = GroupMixtures.of((mixture_of(0.9, torch.eye(1, dtype=torch.float64), 4.0, 1.0, 100.0),), ((0,),))
    by_itself = float(alone.responsibilities(torch.tensor([[3.0]]))[0, 0])
    assert beside(0.1, 4.0) < by_itself - 0.02
    assert beside(3.0, 4.0) > by_itself + 0.01


def test_other_groups_that_are_certainly_wrong_have_no_influence():
    alone = GroupMixtures.of((mixture_of(0.9, torch.eye(1, dtype=torch.float64), 4.0, 1.0, 100.0),), ((0,),))
    by_itself = float(alone.responsibilities(torch.tensor([[3.0]]))[0, 0])
    assert beside(1e12, 4.0) == pytest.approx(by_itself, abs=1e-6)


def test_gaussian_groups_do_not_depend_on_each_other():
    assert beside(0.1, INF) == beside(3.0, INF) == beside(1e12, INF)
