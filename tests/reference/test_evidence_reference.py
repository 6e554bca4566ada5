"""Responsibilities of hard samples, under Student's t: against SciPy, a plain float64 loop, and the integral."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import invgamma, multivariate_normal, multivariate_t

from deepgum.mixture import GaussianUniformMixture
from deepgum.mixture.evidence import SWEEPS

NU = 4.0
GROUPS = [[0, 3], [1], [2, 4]]


def residuals_of(seed: int = 0, n: int = 300) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    # Hard samples, and wrong labels in each group by itself.
    values[: n // 10] *= 4
    for group in GROUPS:
        wrong = torch.rand(n, generator=generator) < 0.25
        values[wrong.nonzero(), torch.tensor(group)] = (
            40 * torch.rand(int(wrong.sum()), len(group), generator=generator, dtype=torch.float64) - 20
        )
    return values


def fitted(residuals: torch.Tensor, nu: float | None = NU) -> GaussianUniformMixture:
    return GaussianUniformMixture(groups=GROUPS, degrees_of_freedom=nu).fit(residuals)


def parts(mixture: GaussianUniformMixture, group: int) -> tuple[float, float, np.ndarray]:
    """Return the prior, the log density of outliers and the covariance of a group."""
    densities = mixture.log_uniform_density_
    return float(mixture.inlier_prior_[group]), float(densities[group]), np.asarray(mixture.covariances_[group])


def by_hand(mixture: GaussianUniformMixture, sample: np.ndarray, nu: float) -> np.ndarray:
    """Return the responsibilities of one sample (d,), NaN where missing, from SciPy's densities, group by group."""
    seen = [[i for i, c in enumerate(group) if not np.isnan(sample[c])] for group in GROUPS]
    values = [sample[group][kept] for group, kept in zip(GROUPS, seen, strict=True)]
    found = [parts(mixture, group) for group in range(len(GROUPS))]
    covariances = [c[np.ix_(kept, kept)] for (_, _, c), kept in zip(found, seen, strict=True)]
    # The density of a box is a product over coordinates, and the fit has one factor for each.
    state = mixture.state_dict()["log_uniform"].numpy()
    sizes = np.cumsum([0, *map(len, GROUPS)])
    outliers = [state[sizes[g] :][: len(GROUPS[g])][kept].sum() for g, kept in enumerate(seen)]

    def posterior(group: int, log_inlier: float) -> float:
        prior = found[group][0]
        log_odds = np.log(prior) + log_inlier - np.log1p(-prior) - outliers[group]
        return 1 / (1 + np.exp(-log_odds))

    distance = [float(v @ np.linalg.solve(c, v)) if len(v) else 0.0 for v, c in zip(values, covariances, strict=True)]
    r = [
        posterior(g, multivariate_normal(np.zeros(len(values[g])), covariances[g]).logpdf(values[g]))
        if len(values[g])
        else found[g][0]
        for g in range(len(GROUPS))
    ]
    for _ in range(SWEEPS):
        new = []
        for g in range(len(GROUPS)):
            if not len(values[g]):
                new.append(found[g][0])
                continue
            others = [h for h in range(len(GROUPS)) if h != g and len(values[h])]
            a = nu + sum(r[h] * len(values[h]) for h in others)
            b = nu + sum(r[h] * distance[h] for h in others)
            t = multivariate_t(np.zeros(len(values[g])), b / a * covariances[g], df=a)
            new.append(posterior(g, t.logpdf(values[g])))
        r = new
    return np.array(r)


@pytest.mark.parametrize("nu", [1.0, 4.0, 50.0])
def test_responsibilities_are_those_of_a_plain_loop_over_samples(nu: float) -> None:
    residuals = residuals_of()
    mixture = fitted(residuals, nu)
    expected = np.stack([by_hand(mixture, sample, nu) for sample in residuals.numpy()])
    np.testing.assert_allclose(mixture.responsibilities(residuals).numpy(), expected, rtol=1e-8, atol=1e-12)


def test_responsibilities_with_missing_labels_are_those_of_a_plain_loop() -> None:
    residuals = residuals_of()
    mixture = fitted(residuals)
    residuals[torch.rand(residuals.shape, generator=torch.Generator().manual_seed(3)) < 0.3] = torch.nan
    expected = np.stack([by_hand(mixture, sample, NU) for sample in residuals.numpy()])
    np.testing.assert_allclose(mixture.responsibilities(residuals).numpy(), expected, rtol=1e-8, atol=1e-12)
    nothing = mixture.responsibilities(torch.full((1, 5), torch.nan, dtype=torch.float64))
    torch.testing.assert_close(nothing[0], mixture.inlier_prior_)


def test_one_group_alone_is_students_t() -> None:
    residuals = residuals_of()
    mixture = GaussianUniformMixture(degrees_of_freedom=NU).fit(residuals)
    prior, gamma, covariance = parts(mixture, 0)
    inlier = multivariate_t(np.zeros(5), covariance, df=NU).logpdf(residuals.numpy())
    expected = 1 / (1 + (1 - prior) / prior * np.exp(gamma - inlier))
    np.testing.assert_allclose(mixture.responsibilities(residuals)[:, 0].numpy(), expected, rtol=1e-9)


def test_students_t_is_the_gaussian_averaged_over_the_factor_of_the_sample() -> None:
    # Given another group that is certainly right, at the squared distance q, the factor is inverse-gamma.
    q, own = 9.0, 2.3
    a, b = NU + 1, NU + q
    factor = invgamma(a / 2, scale=b / 2)
    density = quad(lambda u: factor.pdf(u) * np.exp(-(own**2) / (2 * u)) / np.sqrt(2 * np.pi * u), 0, np.inf)[0]
    assert density == pytest.approx(multivariate_t([0.0], [[b / a]], df=a).pdf([own]), rel=1e-8)


def test_many_degrees_of_freedom_are_the_gaussian() -> None:
    residuals = residuals_of()
    plain, nearly = fitted(residuals, None), fitted(residuals, 1e9)
    torch.testing.assert_close(nearly.responsibilities(residuals), plain.responsibilities(residuals), atol=1e-6, rtol=0)
    assert nearly.log_likelihood(residuals).equal(plain.log_likelihood(residuals))


def test_neither_units_nor_the_order_of_groups_matter() -> None:
    residuals = residuals_of()
    expected = fitted(residuals).responsibilities(residuals)
    for factor in (1e-6, 1e6):
        torch.testing.assert_close(fitted(factor * residuals).responsibilities(factor * residuals), expected)
    other = GaussianUniformMixture(groups=GROUPS[::-1], degrees_of_freedom=NU).fit(residuals)
    torch.testing.assert_close(other.responsibilities(residuals).flip(1), expected)


def test_the_largest_residual_is_wrong_and_harms_no_other() -> None:
    residuals = residuals_of()
    mixture = fitted(residuals)
    far = residuals[50:51].clone()
    far[0, 1] = 9e99
    found = mixture.responsibilities(far)
    assert found.isfinite().all()
    assert found[0, 1] == 0


def test_the_state_keeps_the_setting_and_the_fit_does_not_depend_on_it() -> None:
    residuals = residuals_of()
    mixture, plain = fitted(residuals), fitted(residuals, None)
    assert all(a.equal(b) for a, b in zip(mixture.covariances_, plain.covariances_, strict=True))
    again = GaussianUniformMixture.from_state_dict(mixture.state_dict())
    assert again.responsibilities(residuals).equal(mixture.responsibilities(residuals))
    # A state saved before the settings existed.
    old = {
        name: value for name, value in plain.state_dict().items() if name not in ("separation", "degrees_of_freedom")
    }
    assert (
        GaussianUniformMixture.from_state_dict(old).responsibilities(residuals).equal(plain.responsibilities(residuals))
    )
