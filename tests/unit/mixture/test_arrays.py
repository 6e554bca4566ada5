"""Bad residuals, weights and responsibilities are refused by errors that name the rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepgum.errors import InvalidDataError
from deepgum.mixture import GaussianUniformMixture

RESIDUALS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_residuals_name_their_first_rows(dtype, value):
    faulty = RESIDUALS.to(dtype).clone()
    faulty[[7, 11, 30], [0, 3, 1]] = value
    with pytest.raises(InvalidDataError, match=r"3 invalid rows.* 7, 11, 30"):
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
def test_residuals_of_a_wrong_shape_or_type_are_refused(residuals, message):
    with pytest.raises(InvalidDataError, match=message):
        GaussianUniformMixture().fit(residuals)


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
def test_bad_sample_weights_are_refused(weights, message):
    with pytest.raises(InvalidDataError, match=message):
        GaussianUniformMixture().fit(RESIDUALS, sample_weight=weights)


def test_reversed_views_of_arrays_give_the_result_of_copies():
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
def test_bad_responsibilities_are_refused(responsibilities, message):
    with pytest.raises(InvalidDataError, match=f"`responsibilities`.*{message}"):
        GaussianUniformMixture(groups="landmark").fit(RESIDUALS, responsibilities=responsibilities)


def test_samples_of_weight_0_are_left_out_with_their_responsibilities():
    weights = torch.tensor([1.0, 0.0] * 25)
    given = torch.rand(50, 1, generator=torch.Generator().manual_seed(0))
    settings = {"tol": 0, "max_iter": 1, "inlier_prior": 0.9}
    weighted = GaussianUniformMixture(**settings).fit(RESIDUALS, weights, responsibilities=given)
    left = GaussianUniformMixture(**settings).fit(RESIDUALS[::2], responsibilities=given[::2].numpy())
    torch.testing.assert_close(weighted.covariances_[0], left.covariances_[0])


@pytest.mark.fault(19)
@pytest.mark.parametrize("residuals", [RESIDUALS > 0, (RESIDUALS > 0).numpy(), RESIDUALS.to(torch.float8_e4m3fn)])
def test_residuals_of_a_type_without_arithmetic_are_refused(residuals):
    with pytest.raises(InvalidDataError, match=r"`residuals` should be real numbers.* Found dtype (bool|float8)"):
        GaussianUniformMixture().fit(residuals)


def test_a_mask_as_weights_leaves_samples_out():
    mask = torch.arange(50) < 40
    fits = [GaussianUniformMixture().fit(RESIDUALS, sample_weight=weights) for weights in (mask, mask.double())]
    assert torch.equal(fits[0].covariances_[0], fits[1].covariances_[0])


@pytest.mark.fault(19)
@pytest.mark.parametrize("weights", [np.full(50, 1e300), np.full(50, "a"), np.full(50, None), [[1.0], [1.0, 2.0]]])
def test_weights_that_cannot_be_used_are_refused(weights):
    with pytest.raises(InvalidDataError, match="`sample_weight` should be"):
        GaussianUniformMixture().fit(RESIDUALS, sample_weight=weights)
