"""Mixtures of heavy tails and power laws: their densities against SciPy, and against integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import gamma
from scipy.stats import multivariate_normal, multivariate_t

from deepgum.posteriors.densities import density_of
from deepgum.posteriors.group_mixtures import SWEEPS, GroupMixture, GroupMixtures
from deepgum.posteriors.observed import parts_of
from deepgum.posteriors.power_law import PowerLaw

INF = math.inf


def group_of(prior: float, scale: torch.Tensor, nu: float, b: float, radius: float) -> GroupMixture:
    return GroupMixture(prior, scale, density_of(None if math.isinf(nu) else nu), PowerLaw(b, radius))


def freedom_of(group: GroupMixture) -> float:
    nu = group.right.degrees_of_freedom
    return INF if nu is None else nu


def scale_of(k: int, seed: int = 0) -> torch.Tensor:
    root = torch.randn(k, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.T + torch.eye(k, dtype=torch.float64)


def residuals_of(n: int, k: int, missing: float = 0.0, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = 3 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    values[torch.rand(n, k, generator=generator) < missing] = math.nan
    return values


def student(values: np.ndarray, scale: np.ndarray, nu: float) -> float:
    if math.isinf(nu):
        return float(multivariate_normal(np.zeros(len(values)), scale).logpdf(values))
    return float(multivariate_t(np.zeros(len(values)), scale, df=nu).logpdf(values))


@pytest.mark.parametrize("nu", [1.0, 2.5, 7.0, INF])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_right_labels_have_the_density_of_scipy_and_its_marginals(k: int, nu: float) -> None:
    group = group_of(0.7, scale_of(k), nu, 1.0, 50.0)
    values = residuals_of(60, k, missing=0.4)
    scale = group.scale.numpy()
    found = {}
    for part in parts_of(values):
        squared = group.squared_distance(part)
        found |= dict(
            zip(part.rows.tolist(), zip(group.log_terms(part, squared)[0], squared, strict=True), strict=True)
        )
    for row, sample in enumerate(values.numpy()):
        seen = np.flatnonzero(~np.isnan(sample))
        if not len(seen):
            assert row not in found
            continue
        own, inner = sample[seen], scale[np.ix_(seen, seen)]
        assert float(found[row][0]) == pytest.approx(math.log(0.7) + student(own, inner, nu), abs=1e-10)
        assert float(found[row][1]) == pytest.approx(own @ np.linalg.solve(inner, own), rel=1e-10)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("share_of_b", ["radial", "half", "uniform"])
def test_wrong_labels_integrate_to_their_share_within_the_radius(k: int, share_of_b: str) -> None:
    b = {"radial": 1.0, "half": 0.5 * k, "uniform": float(k)}[share_of_b]
    group = group_of(0.7, scale_of(k), 3.0, b, 12.0)
    root = torch.linalg.cholesky(group.scale)
    direction = torch.zeros(k, dtype=torch.float64)
    direction[0] = 1.0

    def shell(m: float) -> float:
        """Return the density at the distance m times the area of the sphere and the volume of the scale."""
        (part,) = parts_of((m * root @ direction)[None])
        density = float(group.log_terms(part, group.squared_distance(part))[1].exp())
        area = 2 * math.pi ** (k / 2) / gamma(k / 2) * m ** (k - 1)
        return density * area * float(root.diagonal().prod())

    core = math.sqrt(max(1.0, k - b))
    whole = quad(shell, 0, core)[0] + quad(shell, core, 12.0)[0]
    assert whole == pytest.approx(0.3, rel=1e-6)


@pytest.mark.parametrize("k", [2, 3])
def test_the_observed_part_of_a_uniform_group_integrates_to_its_share(k: int) -> None:
    group = group_of(0.7, scale_of(k), 3.0, float(k), 12.0)
    reach = 12.0 * math.sqrt(float(group.scale[0, 0]))
    values = torch.full((1, k), math.nan, dtype=torch.float64)

    def density(x: float) -> float:
        values[0, 0] = x
        (part,) = parts_of(values)
        return float(group.log_terms(part, group.squared_distance(part))[1].exp())

    assert quad(density, -reach, reach)[0] == pytest.approx(0.3, rel=1e-6)


def test_one_group_weighs_the_two_densities_against_each_other() -> None:
    group = group_of(0.8, scale_of(2), 4.0, 2.0, 10.0)
    values = residuals_of(40, 2)
    uniform = 0.2 / (math.pi * 100 * math.sqrt(float(torch.linalg.det(group.scale))))
    inlier = 0.8 * multivariate_t([0, 0], group.scale.numpy(), df=4).pdf(values.numpy())
    mixtures = GroupMixtures.of((group,), ((0, 1),))
    np.testing.assert_allclose(mixtures.responsibilities(values)[:, 0].numpy(), inlier / (inlier + uniform), rtol=1e-10)
    np.testing.assert_allclose(mixtures.log_density(values)[:, 0].numpy(), np.log(inlier + uniform), rtol=1e-10)
    np.testing.assert_allclose(mixtures.log_odds(values)[:, 0].numpy(), np.log(inlier / uniform), rtol=1e-9, atol=1e-9)


def by_hand(groups: tuple[GroupMixture, ...], partition: tuple, sample: np.ndarray) -> np.ndarray:
    """Return the responsibilities of one sample from SciPy's densities, group by group."""
    seen = [[place for place, c in enumerate(columns) if not np.isnan(sample[c])] for columns in partition]
    values = [sample[[columns[p] for p in kept]] for columns, kept in zip(partition, seen, strict=True)]
    scales = [g.scale.numpy()[np.ix_(kept, kept)] for g, kept in zip(groups, seen, strict=True)]
    known = [place for place in range(len(groups)) if seen[place]]
    distance = {g: float(values[g] @ np.linalg.solve(scales[g], values[g])) for g in known}

    def posterior(g: int, nu: float, wider: float) -> float:
        o, b = len(seen[g]), groups[g].wrong.exponent * len(seen[g]) / len(groups[g].scale)
        core = math.sqrt(max(1.0, o - b))
        mass = core**o / o * core ** (b - o) + (groups[g].wrong.radius ** b - core**b) / b
        area = 2 * math.pi ** (o / 2) / gamma(o / 2)
        power = max(math.sqrt(distance[g]), core) ** (b - o)
        outlier = (1 - groups[g].prior) * power / (mass * area * math.sqrt(np.linalg.det(scales[g])))
        inlier = groups[g].prior * math.exp(student(values[g], wider * scales[g], nu))
        return inlier / (inlier + outlier)

    r = {g: posterior(g, freedom_of(groups[g]), 1.0) for g in known}
    for _ in range(SWEEPS):
        now = dict(r)
        for g in known:
            nu = freedom_of(groups[g])
            if math.isfinite(nu):
                a = nu + sum(r[h] * len(seen[h]) for h in known if h != g)
                q = nu + sum(r[h] * distance[h] for h in known if h != g)
                now[g] = posterior(g, a, q / a)
        r = now
    return np.array([r.get(g, np.nan) for g in range(len(groups))])


@pytest.mark.parametrize("freedom", [(3.0, 3.0, 3.0, 3.0, 3.0), (3.0, INF, 7.0, 5.0, INF)])
def test_responsibilities_of_several_groups_are_those_of_a_plain_loop(freedom: tuple[float, ...]) -> None:
    partition = ((0, 3), (1,), (2, 4), (5,), (7, 6))
    groups = tuple(
        group_of(0.8 - 0.1 * seed, scale_of(len(columns), seed), nu, b, 30.0 + 9 * seed)
        for seed, (columns, nu, b) in enumerate(zip(partition, freedom, (1.0, 1.0, 2.0, 0.7, 1.0), strict=True))
    )
    values = residuals_of(40, 8, missing=0.2)
    expected = np.stack([by_hand(groups, partition, sample) for sample in values.numpy()])
    found = GroupMixtures.of(groups, partition).responsibilities(values).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)
