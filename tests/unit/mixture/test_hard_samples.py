"""The fixed point of responsibilities in samples whose groups share how hard the sample is."""

from __future__ import annotations

import math

import pytest
import torch

from deepgum.mixture.hard_samples import responsibilities_of_hard_samples

DISTANCE = torch.tensor([[0.2, 5.0, 9.0], [1.0, 1.0, 1.0], [4.0, 0.0, 30.0]], dtype=torch.float64)
OBSERVED = torch.tensor([[2.0, 1.0, 2.0], [2.0, 1.0, 2.0], [2.0, 0.0, 2.0]], dtype=torch.float64)
START = torch.full((3, 3), 0.9, dtype=torch.float64)


def posterior(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Student's t against a constant, in one dimension."""
    return torch.sigmoid(torch.distributions.StudentT(a, 0.0, (b / a).sqrt()).log_prob(DISTANCE.sqrt()) + 3)


def found(sweeps: int, nu: float | torch.Tensor = 4.0, start: torch.Tensor = START) -> torch.Tensor:
    return responsibilities_of_hard_samples(
        start, posterior, distance=DISTANCE, observed=OBSERVED, degrees_of_freedom=nu, sweeps=sweeps
    )


def test_each_sweep_uses_the_sums_over_the_other_groups() -> None:
    r, nu = START.clone(), 4.0
    for sweeps in range(1, 4):
        seen = torch.where(OBSERVED > 0, r, 0.0)
        a, b = torch.empty(3, 3, dtype=torch.float64), torch.empty(3, 3, dtype=torch.float64)
        for group in range(3):
            others = [other for other in range(3) if other != group]
            a[:, group] = nu + (seen * OBSERVED)[:, others].sum(dim=1)
            b[:, group] = nu + (seen * DISTANCE)[:, others].sum(dim=1)
        r = posterior(a, b)
        torch.testing.assert_close(found(sweeps), r)


def test_without_sweeps_nothing_changes_and_with_many_the_start_does_not_matter() -> None:
    assert found(0) is START
    torch.testing.assert_close(found(60), found(61))
    torch.testing.assert_close(found(60), found(60, start=torch.full_like(START, 0.2)))


def test_groups_may_differ_in_their_degrees_of_freedom() -> None:
    each = torch.tensor([2.0, 4.0, 50.0], dtype=torch.float64)
    one_sweep = found(1, each)
    for group, nu in enumerate(each.tolist()):
        torch.testing.assert_close(one_sweep[:, group], found(1, nu)[:, group])


def test_a_group_without_labels_has_no_influence() -> None:
    start = START.clone()
    start[2, 1] = math.nan
    assert found(5, start=start)[2, [0, 2]].equal(found(5)[2, [0, 2]])


@pytest.mark.parametrize("far", [1e300, math.inf])
def test_a_group_that_is_certainly_wrong_has_no_influence(far: float) -> None:
    distance, start = DISTANCE.clone(), START.clone()
    distance[0, 2], start[0, 2] = far, 0.0
    result = responsibilities_of_hard_samples(
        start, posterior, distance=distance, observed=OBSERVED, degrees_of_freedom=4.0, sweeps=1
    )
    assert result[0].isfinite().all()
