import numpy as np
import pytest

from deepgum.audit.reasons import Case
from deepgum.audit.reasons.right_labels import check_covariances, label_covariance, label_scale, label_uniform
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


@pytest.mark.parametrize("missing", [False, True])
def test_the_typical_variation_is_the_first_of_four_measures_above_0(missing):
    columns = np.array(
        [
            [1.0, 2.0, 30.0, 9.0, 4.0],  # the median is 4, and deviations from it are 3, 2, 26, 5, 0
            [7.0, 7.0, 7.0, 100.0, 0.0],  # no deviation, and the median size is 7
            [0.0, 0.0, 0.0, -5.0, 0.0],  # nothing but the largest size
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [np.nan] * 5,
        ]
    )
    given = columns.T
    given = np.concatenate([given, np.full((3, 5), np.nan)]) if missing else given[:, :4]
    np.testing.assert_array_equal(label_scale(given), [3.0, 7.0, 5.0, 1.0, 1.0][: given.shape[1]])


def test_each_variance_gets_the_rounding_error_of_its_own_column(scored):
    rng = np.random.default_rng(0)
    given = rng.normal(size=(50, 3)) * [1.0, 1e3, 1e6]
    labels = scored(given, np.zeros((50, 3)), [[2, 0], [1]])
    scale = np.median(np.abs(given - np.median(given, axis=0)), axis=0)
    found = check_covariances(labels, [np.eye(2) * 1e-12, np.eye(1) * 1e-9])
    np.testing.assert_allclose(found[0], np.diag(1e-12 + 1e-12 * scale[[2, 0]] ** 2))
    np.testing.assert_allclose(found[1], [[1e-9 + 1e-12 * scale[1] ** 2]])


def test_a_coordinate_with_one_label_has_the_deviation_of_mahalanobis_distances(scored):
    given = np.random.default_rng(0).normal(size=(50, 2))
    given[1:, 1] = np.nan
    labels = scored(given, np.zeros((50, 2)), "sample", sigma=3.0, width=100.0)
    np.testing.assert_allclose(label_covariance(labels, 0), 9 * np.eye(2))


def test_correlations_that_contradict_each_other_give_a_positive_covariance(scored):
    # Each pair of coordinates is seen in other rows: two pairs agree, and the third is opposed.
    x = np.random.default_rng(0).normal(size=200)
    given = np.full((600, 3), np.nan)
    for block, (i, j, sign) in enumerate([(0, 1, 1), (1, 2, 1), (0, 2, -1)]):
        rows = slice(200 * block, 200 * block + 200)
        given[rows, i], given[rows, j] = x, sign * x
    covariance = label_covariance(scored(given, np.zeros((600, 3)), "sample", sigma=2.0, width=100.0), 0)
    assert np.linalg.eigvalsh(covariance)[0] > 0
    np.testing.assert_allclose(covariance.diagonal(), np.mean(x**2))
    assert (covariance[[0, 1], [1, 2]] > 0).all()
    assert covariance[0, 2] < 0


def test_the_box_of_flagged_labels_ignores_missing_ones_and_has_the_columns_of_the_group(scored):
    predicted = np.zeros((40, 3))
    given = np.tile([0.1, 0.1, 0.1], (40, 1))
    given[:10] = [500.0, 50.0, 5000.0]
    given[5:, 2] = np.nan
    labels = scored(given, predicted, [[1], [2, 0]], width=1e4)
    assert labels.flags[:10].all()
    np.testing.assert_allclose(np.exp(-label_uniform(labels, 0, np.eye(1))), 200)
    np.testing.assert_allclose(np.exp(-label_uniform(labels, 1, np.eye(2))), 2000 * 20000)


def test_a_box_is_not_narrower_than_the_uniform_density_with_the_variance_of_right_labels(scored):
    labels = scored(np.zeros((5, 2)), np.zeros((5, 2)), "sample")
    np.testing.assert_allclose(np.exp(-label_uniform(labels, 0, np.diag([4.0, 9.0]))), 12 * 2 * 3)
