from __future__ import annotations

import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.densities import Gaussian, StudentT
from deepgum.posteriors.label_mixture import LabelMixture

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")


def fit(residuals: np.ndarray, groups="sample", **options) -> LabelMixture:
    return LabelMixture.fit(residuals, groups, intervals=False, **options)


def contaminated(n: int = 600, share: float = 0.1, k: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian residuals, of which a share is uniform within 25 scales; and which are."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(n) < share
    return np.where(wrong[:, None], rng.uniform(-25, 25, (n, k)), rng.normal(size=(n, k))), wrong


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_students_t_of_three_degrees_is_chosen_for_its_own_samples_without_wrong_labels(seed: int) -> None:
    fitted = fit(np.random.default_rng(seed).standard_t(3, size=(1500, 1)))
    assert fitted.choice.densities[0] in map(StudentT, (2.5, 3.0, 4.0))
    assert fitted.status == (MixtureStatus.NO_OUTLIERS,)
    assert fitted.has_heavy_tails(0)
    assert fitted.share is None  # a wrong label may pass for a right one in the tails
    # Equation 1 takes the tails of right labels for wrong labels.
    values = np.array([[0.0], [6.0]])
    assert fitted.responsibilities(values).min() > 0.9
    assert fitted.mixture.responsibilities(values).min() < 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_label_with_a_clean_gaussian_residual_is_wrong(seed: int) -> None:
    residuals = np.random.default_rng(seed).normal(size=(1000, 2))
    fitted = fit(residuals)
    assert fitted.choice.kinds == ("none",)
    assert fitted.choice.densities[0] in (Gaussian(), StudentT(20.0), StudentT(10.0))
    assert fitted.responsibilities(residuals).min() > 0.5
    np.testing.assert_allclose(fitted.covariances[0], np.eye(2), atol=0.2)


@pytest.mark.parametrize("k", [1, 2])
def test_a_tenth_of_wrong_labels_is_found(k: int) -> None:
    residuals, wrong = contaminated(k=k)
    fitted = fit(residuals)
    assert fitted.status == (MixtureStatus.CONVERGED,)
    assert fitted.share.estimate == pytest.approx(wrong.mean(), abs=0.03)
    assert fitted.prior(0) == pytest.approx(1 - fitted.share.estimate)
    flagged = fitted.responsibilities(residuals)[:, 0] < 0.5
    far = np.linalg.norm(residuals, axis=1) > 5
    assert flagged[wrong & far].all()
    assert flagged[~wrong].mean() < 0.01


def test_uniform_distances_in_many_dimensions_are_distinguished_from_a_uniform_density() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(800, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wrong = rng.random((800, 1)) < 0.3
    radial = np.where(wrong, direction * rng.uniform(0, 30, (800, 1)), rng.normal(size=(800, 4)))
    assert fit(radial).choice.kinds == ("radial",)
    ball = np.where(wrong, direction * 30 * rng.random((800, 1)) ** 0.25, rng.normal(size=(800, 4)))
    assert fit(ball).choice.kinds == ("uniform",)


@pytest.mark.parametrize("inliers", ["auto", "gaussian"])
def test_the_order_of_samples_changes_neither_choice_nor_posteriors(inliers: str) -> None:
    residuals, _ = contaminated(400, k=2)
    residuals[::9, 1] = np.nan
    order = np.random.default_rng(1).permutation(len(residuals))
    one, other = fit(residuals, "coordinate", inliers=inliers), fit(residuals[order], "coordinate", inliers=inliers)
    assert other.choice.densities == one.choice.densities
    assert other.choice.kinds == one.choice.kinds
    for mine, theirs in zip(one.choice.plausible, other.choice.plausible, strict=True):
        assert list(theirs) == list(mine)
        assert list(theirs.values()) == pytest.approx(list(mine.values()), rel=1e-5, abs=1e-9)
    np.testing.assert_allclose(
        other.responsibilities(residuals[order]), one.responsibilities(residuals)[order], rtol=1e-5, atol=1e-7
    )


def test_units_change_neither_choice_nor_posteriors() -> None:
    residuals, _ = contaminated(400)
    one, other = fit(residuals), fit(1e-4 * residuals)
    assert other.choice.densities == one.choice.densities
    np.testing.assert_allclose(other.responsibilities(1e-4 * residuals), one.responsibilities(residuals), atol=1e-5)
    np.testing.assert_allclose(other.covariances[0], 1e-8 * one.covariances[0], rtol=1e-4)


def test_gaussian_inliers_give_the_gaussian_uniform_mixture_as_it_stands() -> None:
    residuals, _ = contaminated(400, k=4)
    residuals[::7, 0] = np.nan
    residuals[3] = np.nan
    groups = [[0, 1], [2], [3]]
    fitted, plain = fit(residuals, groups, inliers="gaussian"), GaussianUniformMixture(groups=groups).fit(residuals)
    expected = np.asarray(plain.responsibilities(residuals))
    found = fitted.responsibilities(residuals)
    unlabelled = np.isnan(found)
    np.testing.assert_array_equal(found[~unlabelled], expected[~unlabelled])
    np.testing.assert_array_equal(unlabelled, [[np.isnan(row[g]).all() for g in groups] for row in residuals])
    np.testing.assert_array_equal(fitted.mahalanobis(residuals), np.asarray(plain.mahalanobis(residuals)))
    assert fitted.status == plain.status_
    assert fitted.degrees_of_freedom == (None,) * 3
    assert [fitted.prior(g) for g in range(3)] == [float(p) for p in plain.inlier_prior_]
    for mine, theirs in zip(fitted.covariances, plain.covariances_, strict=True):
        np.testing.assert_array_equal(mine, np.asarray(theirs))


def test_students_t_by_name_is_never_a_gaussian() -> None:
    residuals = np.random.default_rng(0).normal(size=(300, 1))
    fitted = fit(residuals, inliers="student-t")
    assert fitted.degrees_of_freedom == (20.0,)
    assert "Student's t, 20 degrees" in fitted.inliers


def test_the_variance_is_that_of_the_residuals_themselves() -> None:
    residuals = np.random.default_rng(0).standard_t(5, size=(6000, 1))
    fitted = fit(residuals, inliers="student-t")
    assert fitted.covariances[0][0, 0] == pytest.approx(5 / 3, rel=0.15)


@pytest.mark.parametrize("inliers", ["gaussian", "student-t"])
def test_distances_are_mahalanobis_distances_of_that_variance(inliers: str) -> None:
    rng = np.random.default_rng(0)
    residuals = rng.standard_t(4, size=(900, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]])
    fitted = fit(residuals, inliers=inliers)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", residuals, np.linalg.inv(fitted.covariances[0]), residuals))
    np.testing.assert_allclose(fitted.mahalanobis(residuals)[:, 0], expected, rtol=1e-9)
    # The radius of wrong labels is the largest distance.
    residuals[:90] = 400 * rng.normal(size=(90, 2))
    fitted = fit(residuals, inliers=inliers)
    if inliers == "student-t":
        assert fitted.radius(0) == pytest.approx(fitted.mahalanobis(residuals).max(), rel=1e-3)


def test_batches_are_the_same_as_rows_in_memory() -> None:
    residuals, _ = contaminated(400, k=2)
    whole = LabelMixture.fit(residuals, "coordinate")
    parts = LabelMixture.fit_batches([residuals[:150], residuals[150:151], residuals[151:]], "coordinate")
    assert parts.choice.kinds == whole.choice.kinds
    assert parts.choice.densities == whole.choice.densities
    np.testing.assert_allclose(parts.responsibilities(residuals), whole.responsibilities(residuals), atol=1e-4)
    assert parts.share.estimate == pytest.approx(whole.share.estimate, abs=1e-4)
    assert parts.share.high == pytest.approx(whole.share.high, abs=1e-3)


@pytest.mark.parametrize("inliers", ["auto", "gaussian"])
def test_groups_without_a_mixture_keep_its_status_and_have_posteriors_of_one_half(inliers: str) -> None:
    rng = np.random.default_rng(0)
    residuals = np.full((300, 6), np.nan)
    residuals[:, 0] = contaminated(300)[0][:, 0]
    residuals[:2, 1:4] = rng.normal(size=(2, 3))
    residuals[:, 4] = 0.0
    residuals[:30, 4] = rng.normal(size=30)
    residuals[:, 5] = rng.uniform(-1, 1, size=300)
    groups = [[0], [1, 2, 3], [4], [5]]
    plain = GaussianUniformMixture(groups=groups).fit(residuals)
    fitted = fit(residuals, groups, inliers=inliers)
    assert fitted.status[0] is MixtureStatus.CONVERGED
    assert fitted.status[1] is MixtureStatus.TOO_FEW_SAMPLES
    assert fitted.status[2] is MixtureStatus.COLLAPSED_COVARIANCE
    for place in (1, 2):
        assert not fitted.chosen[place]
        assert fitted.shares[place] is None
        assert fitted.prior(place) == float(plain.inlier_prior_[place])
    found = fitted.responsibilities(residuals)
    assert np.isfinite(found[~np.isnan(residuals[:, [0, 1, 4, 5]])]).all()
    assert np.isnan(found[2:, 1]).all()
    np.testing.assert_array_equal(found[:2, 1], 0.5)
    np.testing.assert_array_equal(found[:, 2], 0.5)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("n", [60, 500, 2000])
@pytest.mark.parametrize("shape", ["triangle", "beta"])
def test_residuals_with_light_tails_are_no_mixture(shape: str, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    triangle = rng.uniform(-1, 1, (n, 1)) + rng.uniform(-1, 1, (n, 1))
    fitted = fit(triangle if shape == "triangle" else 2 * rng.beta(2, 2, (n, 1)) - 1)
    assert fitted.status == (MixtureStatus.NO_OUTLIERS,)
    assert fitted.responsibilities(np.linspace(-1, 1, 9)[:, None]).min() > 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rounded_labels_have_at_least_the_variance_of_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = np.round(rng.normal(0, 0.8, (2000, 1)))
    assert fit(clean).responsibilities(clean).min() > 0.5
    residuals, wrong = np.round(rng.normal(0, 0.5, (2000, 1))), np.arange(2000) < 100
    residuals[wrong] = np.round(rng.uniform(-30, 30, (100, 1)))
    flags = fit(residuals).responsibilities(residuals)[:, 0] < 0.5
    assert flags[~wrong].mean() < 0.01
    assert flags[wrong].mean() > 0.75
    # Rounding to whole numbers has a variance of 1 / 12.
    assert fit(residuals, inliers="gaussian").densities.groups[0].scale.item() > 1 / 12


def test_bad_parameters_and_residuals_are_refused() -> None:
    residuals, _ = contaminated(100)
    with pytest.raises(InvalidParameterError, match="inliers"):
        LabelMixture.fit(residuals, inliers="cauchy")
    with pytest.raises(InvalidParameterError, match="seed"):
        LabelMixture.fit(residuals, seed=-1)
    fitted = fit(residuals)
    for wrong in (np.zeros((3, 2)), np.zeros(3)):
        with pytest.raises(InvalidDataError, match=r"shape \(n, 1\)"):
            fitted.responsibilities(wrong)
        with pytest.raises(InvalidDataError, match=r"shape \(n, 1\)"):
            fitted.mahalanobis(wrong)


def test_a_name_that_no_density_has_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"'auto', 'gaussian', 'student-t', 'package\.module:name'.*student-t"):
        LabelMixture.fit(np.zeros((3, 1)), inliers="student")
