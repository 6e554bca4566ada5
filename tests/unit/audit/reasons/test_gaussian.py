import numpy as np
import pytest
from scipy.stats import multivariate_normal

from deepgum.audit.reasons.gaussian import normal, split

COVARIANCE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 2.0]])


def test_each_residual_may_have_a_covariance_of_its_own():
    rng = np.random.default_rng(0)
    residuals, covariances = rng.normal(0, 3, (20, 3)), rng.uniform(1, 4, (20, 1, 1)) * COVARIANCE
    expected = [multivariate_normal(cov=c).logpdf(r) for r, c in zip(residuals, covariances, strict=True)]
    np.testing.assert_allclose(normal(residuals, covariances).log_density, expected)


@pytest.mark.parametrize("k", [1, 2])
def test_one_coordinate_and_several_have_the_same_density(k):
    rng = np.random.default_rng(0)
    residuals, extra = rng.normal(0, 3, (20, 1)), rng.uniform(0, 2, (20, 1))
    residuals[:3] = np.nan
    padded = np.pad(residuals, ((0, 0), (0, k - 1)), constant_values=np.nan)
    found = normal(padded, 4 * np.eye(k), np.pad(extra, ((0, 0), (0, k - 1)))).log_density
    expected = np.nan_to_num([multivariate_normal(cov=4 + e).logpdf(r) for r, e in zip(residuals, extra, strict=True)])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("part", [[0], [1], [0, 2]])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_rest_times_the_part_given_the_rest_is_the_whole_density(part, missing):
    rng = np.random.default_rng(0)
    residuals, excess = rng.normal(0, 3, (60, 3)), rng.choice([0.0, 1.0, 2.5], 60)
    residuals[rng.random((60, 3)) < missing] = np.nan
    (found,) = split(residuals, COVARIANCE, [part], excess)
    given_rest = normal(residuals[:, part] - found.mean, found.covariance).log_density
    extra = np.repeat(excess[:, None], 3, axis=1)
    np.testing.assert_allclose(
        found.log_rest + given_rest, normal(residuals, COVARIANCE, extra).log_density, atol=1e-12
    )
    rest = [i for i in range(3) if i not in part]
    expected = normal(residuals[:, rest], COVARIANCE[np.ix_(rest, rest)], extra[:, rest]).log_density
    np.testing.assert_allclose(found.log_rest, expected, atol=1e-12)


def test_a_part_that_is_extremely_far_does_not_spoil_the_rest():
    residuals = np.array([[1e9, 1.0, -2.0]])
    (found,) = split(residuals, COVARIANCE, [[0]])
    rest = multivariate_normal(cov=COVARIANCE[1:, 1:]).logpdf(residuals[0, 1:])
    np.testing.assert_allclose(found.log_rest, rest, rtol=1e-6)
