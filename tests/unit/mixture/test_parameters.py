from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from deepgum.mixture.parameters import Parameters, change
from deepgum.mixture.uniform import Uniform


def filled(value: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.float64)


def parameters(prior: float = 0.6, variance: float = 4.0, log_density: float = -2.0) -> Parameters:
    covariance = variance * torch.eye(2, dtype=torch.float64)[None]
    return Parameters(filled(prior, 1), covariance, Uniform(filled(log_density, 1, 2)))


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (parameters(prior=0.61), 0.01),
        (parameters(variance=4.4), 0.1),  # relative to the variance, so free of units
        (parameters(log_density=-2.3), 0.3),
        (parameters(), 0.0),
    ],
)
def test_change_is_the_largest_move_of_any_parameter(moved, expected):
    assert change(moved, parameters()).item() == pytest.approx(expected, abs=1e-12)


def test_a_covariance_between_coordinates_that_moves_counts():
    moved = replace(parameters(), covariance=torch.tensor([[[4.0, 0.8], [0.8, 4.0]]], dtype=torch.float64))
    assert change(moved, parameters()).item() == pytest.approx(0.2)
