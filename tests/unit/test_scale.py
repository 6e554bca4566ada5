from __future__ import annotations

import pytest
import torch

from deepgum.errors import InvalidDataError
from deepgum.scale import mad_scale

NAN = float("nan")


def test_the_scale_of_an_example_worked_by_hand():
    # Medians 2.5 and 10; absolute deviations 1.5 0.5 0.5 1.5 and 0 0 90, so the medians are 1 and 0 -> the mean rule.
    residuals = torch.tensor([[1.0, 10.0], [2.0, 10.0], [3.0, 100.0], [4.0, NAN]])
    assert mad_scale(residuals).tolist() == pytest.approx([1.4826, 1.2533 * 30])


def test_one_extreme_value_does_not_change_the_scale():
    residuals = torch.arange(101.0)[:, None]
    extreme = residuals.clone()
    extreme[-1] = 1e12
    torch.testing.assert_close(mad_scale(extreme), mad_scale(residuals))


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e15])
def test_the_scale_follows_units_and_ignores_shifts(factor: float):
    residuals = torch.randn(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(mad_scale(factor * (residuals + 7)), factor * mad_scale(residuals), rtol=1e-9, atol=0)


def test_permuted_coordinates_permute_the_scale():
    residuals = torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
    order = [2, 0, 3, 1]
    assert torch.equal(mad_scale(residuals[:, order]), mad_scale(residuals)[order])


def test_missing_rows_are_left_out():
    residuals = torch.randn(40, 2, generator=torch.Generator().manual_seed(3))
    with_missing = torch.cat([residuals, torch.full((17, 2), NAN)])
    assert torch.equal(mad_scale(with_missing), mad_scale(residuals))


@pytest.mark.parametrize("column", [[NAN, NAN, NAN], [0.0, 0.0, 0.0], [5.0, 5.0, NAN], [1e-40, 2e-40, 3e-40]])
def test_the_scale_is_1_without_any_spread(column: list[float]):
    scale = mad_scale(torch.tensor(column, dtype=torch.float64)[:, None])
    assert scale.tolist() == [1.0]


def test_the_scale_of_one_sample_is_1():
    assert mad_scale(torch.tensor([[3.0, NAN]])).tolist() == [1.0, 1.0]


def test_the_scale_has_double_precision_and_no_gradient():
    scale = mad_scale(torch.randn(5, 2, requires_grad=True))
    assert scale.dtype == torch.float64
    assert not scale.requires_grad


@pytest.mark.parametrize("residuals", [torch.zeros(3), torch.zeros(0, 2), torch.tensor([[float("inf")]])])
def test_bad_residuals_are_refused(residuals: torch.Tensor):
    with pytest.raises(InvalidDataError, match="residuals"):
        mad_scale(residuals)
