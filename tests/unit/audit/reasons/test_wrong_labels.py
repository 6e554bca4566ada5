import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from deepgum.audit.reasons.gaussian import normal
from deepgum.audit.reasons.wrong_labels import WrongLabels

COVARIANCE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 2.0]])
ONLY = -np.inf
NEVER = np.array([-np.inf])


def test_complete_residuals_have_the_gaussian_density():
    residuals = np.random.default_rng(0).normal(0, 3, (50, 3))
    found = normal(residuals, COVARIANCE)
    np.testing.assert_allclose(found.log_density, multivariate_normal(cov=COVARIANCE).logpdf(residuals))
    distance = np.sqrt(np.einsum("ni,ij,nj->n", residuals, np.linalg.inv(COVARIANCE), residuals))
    np.testing.assert_allclose(found.distance, distance)


def test_missing_coordinates_are_integrated_out():
    rng = np.random.default_rng(0)
    residuals = rng.normal(0, 3, (60, 3))
    residuals[rng.random((60, 3)) < 0.4] = np.nan
    found = normal(residuals, COVARIANCE).log_density
    for row, residual in enumerate(residuals):
        seen = np.flatnonzero(~np.isnan(residual))
        expected = multivariate_normal(cov=COVARIANCE[np.ix_(seen, seen)]).logpdf(residual[seen]) if len(seen) else 0
        np.testing.assert_allclose(found[row], expected)


def test_own_variance_is_added_to_each_residual():
    rng = np.random.default_rng(0)
    residuals, extra = rng.normal(0, 3, (20, 3)), rng.uniform(0, 5, (20, 3))
    expected = [
        multivariate_normal(cov=COVARIANCE + np.diag(e)).logpdf(r) for r, e in zip(residuals, extra, strict=True)
    ]
    np.testing.assert_allclose(normal(residuals, COVARIANCE, extra).log_density, expected)


def one_number(log_weights=None):
    return WrongLabels(np.array([[4.0]]), -np.log(60), 100.0, [[0]], log_weights)


def mass(density, low, high):
    def at(value):
        return float(np.exp(density.log_density(np.array([[value]]), NEVER))[0])

    return quad(at, low, high, points=[value for value in (2.0, 30.0) if low < value < high], limit=500)[0]


def test_the_component_anywhere_is_a_box_of_the_uniforms_volume():
    anywhere = one_number(np.array([0.0, ONLY, ONLY]))
    np.testing.assert_allclose(2 * mass(anywhere, 0, 29.99), 1, rtol=1e-3)
    assert mass(anywhere, 30.01, 1000) == 0


def test_shifted_labels_are_as_probable_in_each_order_of_magnitude():
    shifted = one_number(np.array([ONLY, 0.0, ONLY]))
    # From one standard deviation (2) to the farthest (200).
    np.testing.assert_allclose(2 * mass(shifted, 2, 20), 0.5, rtol=1e-6)
    np.testing.assert_allclose(2 * mass(shifted, 20, 200), 0.5, rtol=1e-6)


def test_shifted_points_are_as_probable_in_each_order_of_magnitude():
    shifted = WrongLabels(4 * np.eye(2), -8.0, 100.0, [[0, 1]], np.array([ONLY, 0.0, ONLY]))

    def ring(radius):
        point = np.array([[0.6 * radius, 0.8 * radius]])
        return 2 * np.pi * radius * float(np.exp(shifted.log_density(point, NEVER))[0])

    np.testing.assert_allclose([quad(ring, 2, 20)[0], quad(ring, 20, 200)[0]], 0.5, rtol=1e-6)


def test_the_component_any_label_has_the_given_density():
    any_label = one_number(np.array([ONLY, ONLY, 0.0]))
    np.testing.assert_allclose(any_label.log_density(np.array([[5.0], [500.0]]), np.array([-3.0, -4.0])), [-3.0, -4.0])


@pytest.mark.parametrize(("kind", "low", "high"), [(0, 8.0, 30.0), (1, 2.0, 200.0)])
def test_the_weights_are_fitted_to_the_flagged_labels(kind, low, high):
    rng = np.random.default_rng(0)
    size = rng.uniform(low, high, (500, 1)) if kind == 0 else np.exp(rng.uniform(np.log(low), np.log(high), (500, 1)))
    residuals = rng.choice([-1, 1], (500, 1)) * size
    like_no_label = np.full(500, -50.0)
    fitted = one_number().fit(residuals, like_no_label, np.ones(500))
    assert np.exp(fitted.log_weights).sum() == pytest.approx(1)
    assert fitted.log_weights.argmax() == kind
    start = one_number().log_density(residuals, like_no_label).sum()
    assert fitted.log_density(residuals, like_no_label).sum() > start


def test_explained_labels_do_not_count():
    residuals = np.concatenate([np.full((50, 1), 20.0), np.full((50, 1), 150.0)])
    fitted = one_number().fit(residuals, np.full(100, -50.0), np.repeat([1.0, 0.0], 50))
    without = one_number().fit(residuals[:50], np.full(50, -50.0), np.ones(50))
    np.testing.assert_allclose(fitted.log_weights, without.log_weights)


def test_in_the_component_in_part_one_coordinate_is_right():
    density = WrongLabels(np.eye(2), -2 * np.log(40), 20.0, [[0], [1]], np.array([ONLY, ONLY, ONLY, 0]))
    one, both = np.array([[10.0, 0.1]]), np.array([[10.0, 10.0]])
    assert density.log_density(one, NEVER)[0] > density.log_density(both, NEVER)[0] + 20


def test_the_unit_of_the_labels_changes_densities_by_its_volume_alone():
    residuals, parts = np.random.default_rng(0).normal(0, 20, (40, 3)), [[0], [1], [2]]
    one = WrongLabels(COVARIANCE, -12.0, 50.0, parts).log_density(residuals, np.full(40, -15.0))
    for scale in (1e-3, 1e3):
        volume = 3 * np.log(scale)
        other = WrongLabels(scale**2 * COVARIANCE, -12.0 - volume, 50.0, parts)
        np.testing.assert_allclose(other.log_density(scale * residuals, np.full(40, -15.0 - volume)) + volume, one)
