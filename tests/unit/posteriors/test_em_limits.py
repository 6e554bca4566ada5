"""EM of several groups: the limits of its parameters, its weights, and the step at which it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from deepgum.posteriors.densities import Density, Gaussian, StudentT
from deepgum.posteriors.em import Fitted, fit_group, fit_groups
from deepgum.posteriors.group_mixtures import GroupMixture
from deepgum.posteriors.power_law import PowerLaw


def start_of(k: int, right: Density, prior: float = 0.8) -> GroupMixture:
    return GroupMixture(prior, 4 * torch.eye(k, dtype=torch.float64), right, PowerLaw(float(k), 1.0))


def residuals_of(d: int, n: int = 150, seed: int = 0) -> torch.Tensor:
    """Gaussian residuals (n, d); one in five is uniform, and far away in a way of its own in each column."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, d, generator=generator, dtype=torch.float64)
    far = (torch.arange(d, dtype=torch.float64) + 1) * 12 * (torch.rand(n, d, generator=generator) - 0.5)
    return torch.where(torch.rand(n, d, generator=generator) < 0.2, far, values)


def test_the_variance_of_equal_residuals_is_their_rounding_error_between_two_limits() -> None:
    # The limits are the variance at the start, and a millionth of it. All scatter is 0.
    residuals, resolution = torch.zeros(20, 3, dtype=torch.float64), torch.tensor([0.25, 9.0, 1e-9]).double()
    partition = [[2, 0], [1]]
    found = fit_groups(
        residuals, [start_of(2, Gaussian()), start_of(1, Gaussian())], ["none"] * 2, partition, resolution=resolution
    ).mixtures.groups
    np.testing.assert_allclose(found[0].scale.numpy(), np.diag([4e-6, 0.25]))
    np.testing.assert_allclose(found[1].scale.numpy(), [[4.0]])


@pytest.mark.parametrize("right", [Gaussian(), StudentT(3.0)])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_each_group_of_a_stack_has_weights_and_rounding_errors_of_its_own(right: Density, missing: float) -> None:
    residuals, generator = residuals_of(7), torch.Generator().manual_seed(1)
    residuals[torch.rand(150, 7, generator=generator) < missing] = math.nan
    partition, kinds = [[5, 0], [3], [6, 1], [2], [4]], ["radial", "uniform", "radial", "none", "uniform"]
    weight = torch.poisson(torch.ones(5, 150, dtype=torch.float64), generator=generator)
    resolution = torch.linspace(0.05, 2.0, 7, dtype=torch.float64)
    starts = [start_of(len(columns), right) for columns in partition]
    fitted = fit_groups(residuals, starts, kinds, partition, weight=weight, resolution=resolution)
    together = [Fitted(*each) for each in zip(fitted.mixtures.groups, *fitted[1:], strict=True)]
    assert len(fitted.n_iter.unique()) > 2  # groups leave a stack one by one
    for columns, kind, own, start, found in zip(partition, kinds, weight, starts, together, strict=True):
        alone = fit_group(residuals[:, columns], start, kind, weight=own, resolution=resolution[columns])
        assert found.n_iter == alone.n_iter
        assert found.group.prior == pytest.approx(alone.group.prior, rel=1e-9)
        assert found.group.wrong.radius == pytest.approx(alone.group.wrong.radius, rel=1e-9)
        assert found.log_likelihood.item() == pytest.approx(alone.log_likelihood, rel=1e-9)
        torch.testing.assert_close(found.group.scale, alone.group.scale)


@pytest.mark.parametrize("prior", [0.0, 1.0])
@pytest.mark.parametrize("size", [1e-6, 1e6])
@pytest.mark.parametrize("max_iter", [0, 1, 50])
def test_a_prior_is_half_a_sample_away_from_0_and_1(prior: float, size: float, max_iter: int) -> None:
    values = size * torch.randn(20, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = fit_group(values, start_of(1, Gaussian(), prior), "uniform", max_iter=max_iter).group.prior
    assert 0.5 / 20 <= found <= 1 - 0.5 / 20
    if max_iter == 0:
        assert found == pytest.approx(prior, abs=0.51 / 20)


@dataclass(frozen=True)
class Wide(Gaussian):
    """A Gaussian of variance 4 for a scale matrix of 1: the mean of its weights is 1 / 4."""

    has_mean_weight_1 = False

    def log_density(self, squared: torch.Tensor, dimensions: int) -> torch.Tensor:
        return super().log_density(squared / 4, dimensions) - dimensions * math.log(2)

    def em_weight(self, squared: torch.Tensor, dimensions: int) -> torch.Tensor:
        return torch.full_like(squared, 0.25)


@pytest.mark.parametrize("kind", ["none", "uniform"])
def test_a_density_of_another_unit_has_the_fit_of_the_gaussian_in_this_unit(kind: str) -> None:
    # In one dimension the uniform density does not depend on the unit of the scale matrix.
    values = residuals_of(1)
    one, other = (fit_group(values, start_of(1, right), kind, tol=1e-10).group for right in (Gaussian(), Wide()))
    assert 4 * other.scale.item() == pytest.approx(one.scale.item(), rel=1e-4)
    assert other.prior == pytest.approx(one.prior, abs=1e-4)


@pytest.mark.parametrize("tol", [3e-2, 3e-3])
@pytest.mark.parametrize(("prior", "scale"), [(0.05, 1.0), (0.8, 400.0), (0.8, 0.01)])
def test_em_stops_at_the_first_step_that_changes_no_parameter_by_the_tolerance(
    tol: float, prior: float, scale: float
) -> None:
    values, start = residuals_of(2), start_of(2, Gaussian(), prior)
    start = GroupMixture(prior, scale * start.scale, start.right, start.wrong)

    @cache
    def after(steps: int) -> Fitted:
        return fit_group(values, start, "radial", tol=0.0, max_iter=steps)

    def change(steps: int) -> float:
        before, now = after(steps - 1).group, after(steps).group
        deviation = before.scale.diagonal().sqrt()
        relative = (now.scale - before.scale).abs() / torch.outer(deviation, deviation)
        return max(abs(now.prior - before.prior), float(relative.max()))

    found = fit_group(values, start, "radial", tol=tol)
    assert found.n_iter == next(steps for steps in range(1, 201) if change(steps) < tol)
    torch.testing.assert_close(found.group.scale, after(found.n_iter).group.scale)
