from __future__ import annotations

import math

import pytest
import torch

from deepgum.mixture.spread import spread


def filled(value: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.float64)


def test_the_robust_scale_is_the_standard_deviation_of_a_gaussian_under_two_thirds_of_outliers():
    generator = torch.Generator().manual_seed(0)
    values = 3 * torch.randn(1, 1, 100_000, generator=generator, dtype=torch.float64)
    assert spread(values).scale.item() == pytest.approx(3.0, rel=0.02)
    values[..., :66_000] *= 1e6
    assert spread(values).scale.item() < 6 * 3.0


@pytest.mark.parametrize("n", [2, 3, 4, 9, 100])
def test_equal_weights_give_the_unweighted_scale(n):
    values = torch.randn(1, 2, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    assert torch.equal(spread(values).scale, spread(values, filled(1.0, n)).scale)


def test_the_robust_scale_uses_weights_and_leaves_missing_labels_out():
    values = torch.tensor([[[1.0, 2.0, 3.0, math.nan, 100.0, 50.0, 60.0]]], dtype=torch.float64)
    weights = torch.tensor([3.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    assert spread(values, weights).scale.item() == pytest.approx(1.0 / 0.3186, rel=1e-3)
    assert spread(values).scale.item() == pytest.approx(2.0 / 0.3186, rel=1e-3)


def test_a_scale_of_zero_is_replaced_by_the_next_that_is_not_zero():
    zeros = filled(0.0, 1, 3, 100)
    zeros[0, 0, 60:] = 2.0  # the median is still 0, the upper quartile is not
    zeros[0, 1, 99] = 50.0  # only the root mean square is not
    scale = spread(zeros).scale[0]
    assert scale[0].item() == pytest.approx(2.0 / 1.1503, rel=1e-3)
    assert scale[1].item() == pytest.approx(5.0)
    assert scale[2].item() == scale[:2].min().item()  # a coordinate of zeros has the smallest scale of its group
