"""EM of densities beyond eq. 1: against a plain NumPy loop, the truth, and itself on other forms of the data."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t

from deepgum.posteriors.densities import density_of
from deepgum.posteriors.em import fit_group
from deepgum.posteriors.group_mixtures import GroupMixture
from deepgum.posteriors.power_law import PowerLaw

INF = math.inf


def start_of(k: int, nu: float, prior: float = 0.8) -> GroupMixture:
    right = density_of(None if math.isinf(nu) else nu)
    return GroupMixture(prior, 4 * torch.eye(k, dtype=torch.float64), right, PowerLaw(float(k), 1.0))


def in_a_ball(rng: np.random.Generator, n: int, k: int, power: float) -> np.ndarray:
    """Return points in random directions; a power of k gives a uniform density, and 1 uniform distances."""
    direction = rng.normal(size=(n, k))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * rng.random((n, 1)) ** (1 / power)


def drawn(n: int, root: np.ndarray, nu: float, prior: float, power: float, radius: float, seed: int = 0) -> np.ndarray:
    """Return samples (n, k) of the model, with S = root root'."""
    rng, k = np.random.default_rng(seed), len(root)
    harder = 1.0 if math.isinf(nu) else np.sqrt(nu / rng.chisquare(nu, size=(n, 1)))
    right, wrong = harder * rng.normal(size=(n, k)), radius * in_a_ball(rng, n, k, power)
    return np.where(rng.random((n, 1)) < prior, right, wrong) @ root.T


ROOT = np.array([[2.0, 0.0], [0.8, 0.5]])


def naive_em(values: np.ndarray, start: GroupMixture, nu: float, radial: bool, steps: int) -> tuple[float, np.ndarray]:
    """Return prior and scale after some steps of EM, computed sample by sample; NaN marks a missing coordinate."""
    k = values.shape[1]
    prior, scale = start.prior, start.scale.numpy()
    seen = [np.flatnonzero(~np.isnan(x)) for x in values]

    def squared(x: np.ndarray, at: np.ndarray) -> float:
        return float(x[at] @ np.linalg.inv(scale[np.ix_(at, at)]) @ x[at])

    for _ in range(steps):
        radius = math.sqrt(max(squared(x, at) for x, at in zip(values, seen, strict=True)))
        scatter, mass, inside = np.zeros((k, k)), 0.0, 0.0
        for x, at in zip(values, seen, strict=True):
            o, q, own = len(at), squared(x, at), scale[np.ix_(at, at)]
            b = (1.0 if radial else k) * o / k
            core = math.sqrt(max(1.0, o - b))
            area = 2 * math.pi ** (o / 2) / math.gamma(o / 2) * math.sqrt(np.linalg.det(own))
            power = max(math.sqrt(q), core) ** (b - o)
            outlier = (1 - prior) * power / (area * (core**b / o + (radius**b - core**b) / b))
            inlier = prior * multivariate_t(np.zeros(o), own, df=nu).pdf(x[at])
            r = inlier / (inlier + outlier)
            u = 1.0 if math.isinf(nu) else (nu + o) / (nu + q)
            gain = scale[:, at] @ np.linalg.inv(own)
            filled = gain @ x[at]
            scatter += r * u * np.outer(filled, filled) + r * (scale - gain @ scale[at])
            mass, inside = mass + r * u, inside + r
        scale = scatter / mass + 1e-6 * np.diag(np.diag(start.scale.numpy()))
        prior = inside / len(values)
    return prior, scale


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("nu", [3.0, INF])
@pytest.mark.parametrize("kind", ["uniform", "radial"])
def test_each_step_is_that_of_a_plain_loop(kind: str, nu: float, missing: float) -> None:
    values = drawn(120, ROOT, nu, 0.75, 2.0, 15.0)
    values[np.random.default_rng(1).random(120) < missing, 1] = np.nan
    start = start_of(2, nu)
    for steps in (1, 4):
        got = fit_group(torch.from_numpy(values), start, kind, tol=0.0, max_iter=steps)
        prior, scale = naive_em(values, start, nu, kind == "radial", steps)
        assert got.n_iter == steps
        assert got.group.prior == pytest.approx(prior, rel=1e-9)
        np.testing.assert_allclose(got.group.scale.numpy(), scale, rtol=1e-9)


@pytest.mark.parametrize(("kind", "power"), [("uniform", 2.0), ("radial", 1.0)])
@pytest.mark.parametrize("nu", [4.0, INF])
def test_the_truth_is_found_within_four_standard_errors(kind: str, power: float, nu: float) -> None:
    n, prior = 6000, 0.8
    values = torch.from_numpy(drawn(n, ROOT, nu, prior, power, 60.0))
    found = fit_group(values, start_of(2, nu), kind).group
    # The radial density is flat in the core, and the samples are not: this concerns 1 in 60 wrong labels.
    slack = 0.0 if kind == "uniform" else (1 - prior) / 60
    assert abs(found.prior - prior) < 4 * math.sqrt(prior * (1 - prior) / n) + slack
    truth = ROOT @ ROOT.T
    # The variance of an entry of the scale matrix. Heavy tails reduce information by (nu + k + 2) / (nu + k).
    heavy = 1.0 if math.isinf(nu) else (nu + 4) / (nu + 2) * 1.5
    error = np.sqrt(heavy * (truth**2 + np.outer(np.diag(truth), np.diag(truth))) / (prior * n))
    assert (np.abs(found.scale.numpy() - truth) < 4 * error).all()
    assert found.wrong.radius == pytest.approx(60.0, rel=0.1)


@pytest.mark.parametrize("kind", ["none", "uniform"])
@pytest.mark.parametrize("nu", [2.0, 5.0, INF])
def test_in_one_dimension_the_likelihood_never_falls(kind: str, nu: float) -> None:
    # In one dimension wrong labels are uniform up to the largest residual, R sqrt(S), for any scale.
    values = torch.from_numpy(drawn(300, np.array([[1.5]]), nu, 0.7, 1.0, 20.0))
    start = start_of(1, nu, prior=0.5)
    likelihoods = [fit_group(values, start, kind, tol=0.0, max_iter=steps).log_likelihood for steps in range(40)]
    assert likelihoods[-1] > likelihoods[0] + 1.0
    assert min(np.diff(likelihoods)) > -1e-6


@pytest.mark.parametrize("nu", [3.0, INF])
def test_without_wrong_labels_the_scale_solves_its_equation(nu: float) -> None:
    values = drawn(400, ROOT, nu, 1.0, 2.0, 1.0)
    found = fit_group(torch.from_numpy(values), start_of(2, nu), "none", tol=1e-10, max_iter=500).group
    assert found.prior == 1 - 0.5 / 400
    scale = found.scale.numpy()
    q = np.einsum("ni,ij,nj->n", values, np.linalg.inv(scale), values)
    u = np.ones(len(q)) if math.isinf(nu) else (nu + 2) / (nu + q)
    # At the fixed point the mean of u x x' is S. The prior, half a sample short of 1, matters little.
    np.testing.assert_allclose((values * u[:, None]).T @ values / len(values), scale, rtol=0.02)


@pytest.mark.parametrize("kind", ["none", "uniform", "radial"])
@pytest.mark.parametrize("nu", [4.0, INF])
def test_a_whole_weight_counts_as_copies_of_a_row(kind: str, nu: float) -> None:
    values = torch.from_numpy(drawn(200, ROOT, nu, 0.8, 2.0, 15.0))
    values[::7, 1] = math.nan
    counts = torch.from_numpy(np.random.default_rng(0).poisson(1.0, 200))
    weighted = fit_group(values, start_of(2, nu), kind, weight=counts.double())
    copied = fit_group(values.repeat_interleave(counts, dim=0), start_of(2, nu), kind)
    assert weighted.group.prior == pytest.approx(copied.group.prior, rel=1e-9)
    assert weighted.group.wrong.radius == pytest.approx(copied.group.wrong.radius, rel=1e-9)
    assert weighted.log_likelihood == pytest.approx(copied.log_likelihood, rel=1e-9)
    torch.testing.assert_close(weighted.group.scale, copied.group.scale)


@pytest.mark.parametrize("nu", [4.0, INF])
def test_missing_coordinates_leave_the_estimate_near_that_of_complete_data(nu: float) -> None:
    values = torch.from_numpy(drawn(4000, ROOT, nu, 0.8, 2.0, 40.0))
    complete = fit_group(values, start_of(2, nu), "uniform").group
    rng = np.random.default_rng(3)
    lost = torch.from_numpy(rng.random(4000) < 0.3)
    partial = values.clone()
    partial[lost, torch.from_numpy(rng.integers(2, size=4000))[lost]] = math.nan
    found = fit_group(partial, start_of(2, nu), "uniform").group
    assert found.prior == pytest.approx(complete.prior, abs=0.02)
    np.testing.assert_allclose(found.scale.numpy(), complete.scale.numpy(), rtol=0.05)
    nothing = torch.cat([partial, torch.full((50, 2), math.nan, dtype=torch.float64)])
    assert fit_group(nothing, start_of(2, nu), "uniform").group.scale.equal(found.scale)


def test_units_and_the_order_of_rows_and_of_coordinates_do_not_matter() -> None:
    values = torch.from_numpy(drawn(300, ROOT, 4.0, 0.8, 2.0, 15.0))
    values[::5, 0] = math.nan
    one = fit_group(values, start_of(2, 4.0), "radial")
    start = replace(start_of(2, 4.0), scale=4e-6 * torch.eye(2, dtype=torch.float64))
    turned = fit_group(1e-3 * values.flip(0).flip(1), start, "radial")
    assert turned.group.prior == pytest.approx(one.group.prior, rel=1e-8)
    assert turned.n_iter == one.n_iter
    torch.testing.assert_close(1e6 * turned.group.scale.flip(0).flip(1), one.group.scale)


def test_residuals_of_zero_give_a_scale_above_zero() -> None:
    found = fit_group(torch.zeros(20, 2, dtype=torch.float64), start_of(2, 4.0), "uniform")
    assert torch.linalg.eigvalsh(found.group.scale).min() > 0
    assert math.isfinite(found.log_likelihood)


@pytest.mark.parametrize("kind", ["none", "uniform", "radial"])
def test_rows_of_weight_0_and_missing_rows_change_nothing(kind: str) -> None:
    start, values = start_of(2, 4.0), torch.ones(3, 2, dtype=torch.float64)
    for found in (
        fit_group(values, start, kind, weight=torch.zeros(3, dtype=torch.float64)),
        fit_group(values * math.nan, start, kind),
    ):
        assert found.log_likelihood == 0
        assert found.group.scale.equal(start.scale)
        assert 0 < found.group.prior < 1
