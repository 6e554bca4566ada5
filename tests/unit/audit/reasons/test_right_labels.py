import numpy as np
import pytest

from deepgum.audit.reasons import Case
from deepgum.audit.reasons.right_labels import label_covariance, label_uniform
from deepgum.errors import InvalidParameterError

TRUE = np.array([[4.0, 2.4, 0.0], [2.4, 9.0, 0.0], [0.0, 0.0, 1.0]])

ALL = slice(None)


def labels_of(scored, n=4000, missing=0.0, wrong=0.1):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (n, 3))
    given = truth + rng.multivariate_normal(np.zeros(3), TRUE, n)
    given[: int(wrong * n)] += rng.uniform(30, 500, (int(wrong * n), 3))
    given[rng.random(given.shape) < missing] = np.nan
    return scored(given, truth, "sample", sigma=2.5, width=200.0)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_wrong_labels_do_not_change_the_covariance(scored, missing):
    covariance = label_covariance(labels_of(scored, missing=missing), 0)
    np.testing.assert_allclose(covariance, TRUE, atol=0.5)


def test_few_labels_still_give_a_positive_covariance(scored):
    covariance = Case.of(labels_of(scored, n=3, wrong=0.0), landmarks=False).covariances[0]
    assert np.linalg.eigvalsh(covariance)[0] > 0


def test_if_all_labels_are_flagged_the_deviation_follows_from_mahalanobis_distances(scored):
    truth = np.zeros((3, 1))
    labels = scored(truth + 50.0, truth, sigma=2.0, width=100.0)
    assert labels.flags.all()
    np.testing.assert_allclose(label_covariance(labels, 0), [[4.0]])


def test_exact_predictions_give_the_floor(scored):
    truth = np.arange(50.0)[:, None]
    given = truth.copy()
    given[3] += 40
    labels = scored(given, truth, sigma=1.0)
    case = Case.of(labels, landmarks=False)
    assert 0 < case.covariances[0][0, 0] < 1e-6


def test_the_width_of_the_uniform_is_that_of_most_flagged_labels(scored):
    rng = np.random.default_rng(0)
    truth = np.zeros((2000, 1))
    given = rng.normal(0, 1, truth.shape)
    given[:1000] = rng.uniform(-60, 60, (1000, 1))
    given[:20] *= 1000
    labels = scored(given, truth, width=120.0, wrong=0.5)
    density = label_uniform(labels, 0, np.eye(1))
    np.testing.assert_allclose(np.exp(-density), 120, rtol=0.15)


def test_labels_without_a_grid_have_no_step(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (500, 1))
    given = truth + rng.normal(0, 2, truth.shape)
    assert (Case.of(scored(given, truth, sigma=2.0), landmarks=False).steps(ALL, ALL) > 0).mean() < 0.1
    whole = given.round()
    whole[7] = 31.4
    steps = Case.of(scored(whole, truth, sigma=2.0), landmarks=False).steps(ALL, ALL)
    assert steps[7] == 0
    assert (np.delete(steps, 7) == 1).all()


@pytest.mark.parametrize(
    "covariances",
    [[], [np.eye(2)], [np.array([[1.0, 2.0, 0], [0, 1, 0], [0, 0, 1]])], [-np.eye(3)], [np.full((3, 3), np.nan)]],
)
def test_invalid_covariances_are_refused(scored, covariances):
    with pytest.raises(InvalidParameterError, match="covariances"):
        Case.of(labels_of(scored, n=50), landmarks=False, covariances=covariances)


@pytest.mark.parametrize("densities", [[], [-3.0, -4.0], [np.inf], [np.nan]])
def test_invalid_densities_are_refused(scored, densities):
    with pytest.raises(InvalidParameterError, match="log_densities"):
        Case.of(labels_of(scored, n=50), landmarks=False, log_densities=densities)


def test_correlations_of_few_residuals_are_shrunk(scored):
    truth = np.zeros((2, 2))
    covariance = label_covariance(scored(np.array([[1.0, 2.0], [2.0, 4.0]]), truth, "sample", sigma=3.0), 0)
    np.testing.assert_allclose(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), 2 / (2 + 3))
