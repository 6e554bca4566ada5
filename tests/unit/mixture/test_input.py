"""Bad input ends in a typed error that names what is wrong, before any work."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepgum.errors import InvalidDataError, InvalidParameterError, NotFittedError, UnknownNameError
from deepgum.mixture import GaussianUniformMixture

RESIDUALS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("argument", "value", "hint"),
    [
        ("covariance_type", "ful", "'full'"),
        ("uniform", "moment", "'moments'"),
        ("groups", "landmarks", "'landmark'"),
        ("init", "kmeans", "'mad'"),
        ("inlier_prior", "estimated", "'estimate'"),
    ],
)
def test_unknown_names(argument, value, hint):
    with pytest.raises(UnknownNameError, match=hint) as caught:
        GaussianUniformMixture(**{argument: value})
    assert caught.value.parameter == argument


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("inlier_prior", 0.0), ("inlier_prior", 1.0), ("inlier_prior", -0.1), ("inlier_prior", math.nan),
        ("tol", -1e-3), ("tol", math.inf), ("max_iter", 0), ("max_iter", 2.5), ("reg_covar", -1e-9),
        ("uniform", math.inf), ("uniform", math.nan), ("uniform", None), ("uniform", True),
    ],
)  # fmt: skip
def test_values_out_of_range(argument, value):
    with pytest.raises(InvalidParameterError) as caught:
        GaussianUniformMixture(**{argument: value})
    assert caught.value.parameter == argument


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_residuals_name_their_first_rows(dtype, value):
    faulty = RESIDUALS.to(dtype).clone()
    faulty[[7, 11, 30], [0, 3, 1]] = value
    with pytest.raises(InvalidDataError, match=r"3 rows.* 7, 11, 30"):
        GaussianUniformMixture().fit(faulty)


def test_residuals_whose_squares_overflow_are_refused():
    faulty = RESIDUALS.double()
    faulty[5, 0] = 1e160
    with pytest.raises(InvalidDataError, match="5"):
        GaussianUniformMixture().fit(faulty)


@pytest.mark.parametrize(
    ("residuals", "message"),
    [
        (RESIDUALS[:, 0], r"reshape\(-1, 1\)"),
        (RESIDUALS[None], r"\(1, 50, 4\)"),
        (RESIDUALS[:, :0], r"\(50, 0\)"),
        (RESIDUALS[:0], "at least 5 samples.*Found 0"),
        (RESIDUALS[:4], "at least 5 samples.*Found 4"),
        (RESIDUALS.to(torch.complex64), "real"),
        (np.array([["a", "b"]]), "real"),
        ([[1.0, 2.0]], "list"),
    ],
)
def test_residuals_of_a_wrong_kind(residuals, message):
    with pytest.raises(InvalidDataError, match=message):
        GaussianUniformMixture().fit(residuals)


def test_structured_covariances_need_two_samples_only():
    with pytest.warns(UserWarning, match="roup"):
        mixture = GaussianUniformMixture(covariance_type="spherical").fit(RESIDUALS[:2] * 0)
    assert torch.isfinite(mixture.responsibilities(RESIDUALS)).all()
    with pytest.raises(InvalidDataError, match="at least 2"):
        GaussianUniformMixture(covariance_type="spherical").fit(RESIDUALS[:1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(49), r"shape \(50,\)"),
        (torch.ones(50, 1), r"shape \(50,\)"),
        (torch.zeros(50), "at least 5 samples.*Found 0"),
        (torch.tensor([1.0] * 48 + [-1.0, math.nan]), "48, 49"),
        (torch.tensor([1.0] * 4 + [0.0] * 46), "at least 5 samples.*Found 4"),
    ],
)
def test_sample_weights_of_a_wrong_kind(weights, message):
    with pytest.raises(InvalidDataError, match=message):
        GaussianUniformMixture().fit(RESIDUALS, sample_weight=weights)


def test_a_wrong_number_of_coordinates_at_predict():
    mixture = GaussianUniformMixture().fit(RESIDUALS)
    with pytest.raises(InvalidDataError, match=r"4 coordinates.*Found 3"):
        mixture.responsibilities(RESIDUALS[:, :3])


@pytest.mark.parametrize("method", ["responsibilities", "log_likelihood", "partial_statistics"])
def test_nothing_is_told_before_the_fit(method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(GaussianUniformMixture(), method)(RESIDUALS)


def test_groups_that_do_not_fit_the_residuals():
    with pytest.raises(InvalidParameterError, match="in no group: 3"):
        GaussianUniformMixture(groups=[[0, 1], [2]]).fit(RESIDUALS)


def test_reversed_views_of_arrays_are_read_as_their_copies():
    array, weights = RESIDUALS.numpy(), np.linspace(0.5, 2, 50)
    views = GaussianUniformMixture(inlier_prior=0.9).fit(array[::-1, ::-1], sample_weight=weights[::-1])
    copies = GaussianUniformMixture(inlier_prior=0.9).fit(array[::-1, ::-1].copy(), sample_weight=weights[::-1].copy())
    np.testing.assert_array_equal(views.covariances_[0], copies.covariances_[0])
    np.testing.assert_array_equal(views.responsibilities(array[::-1]), copies.responsibilities(array[::-1].copy()))


@pytest.mark.parametrize(
    ("responsibilities", "message"),
    [
        (torch.ones(50), r"shape \(50, 2\).*Found \(50,\)"),
        (torch.ones(50, 1), r"shape \(50, 2\).*Found \(50, 1\)"),
        (np.array([[0.5, 0.5]] * 48 + [[1.5, 0.0], [math.nan, 0.0]]), "48, 49"),
    ],
)
def test_responsibilities_of_a_wrong_kind(responsibilities, message):
    with pytest.raises(InvalidDataError, match=f"`responsibilities`.*{message}"):
        GaussianUniformMixture(groups="landmark").fit(RESIDUALS, responsibilities=responsibilities)


def test_responsibilities_are_left_out_with_the_samples_of_weight_0():
    weights = torch.tensor([1.0, 0.0] * 25)
    given = torch.rand(50, 1, generator=torch.Generator().manual_seed(0))
    settings = {"tol": 0, "max_iter": 1, "inlier_prior": 0.9}
    weighted = GaussianUniformMixture(**settings).fit(RESIDUALS, weights, responsibilities=given)
    left = GaussianUniformMixture(**settings).fit(RESIDUALS[::2], responsibilities=given[::2].numpy())
    torch.testing.assert_close(weighted.covariances_[0], left.covariances_[0])
