from __future__ import annotations

import pytest
import torch

from deepgum.mixture.em import EM
from deepgum.mixture.spread import spread
from deepgum.mixture.statistics import Statistics
from deepgum.mixture.uniform import OutlierMoments


def filled(value: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.float64)


def statistics(weight: float, at: float) -> Statistics:
    """Return statistics with all outlier weight at one point, for one group of one coordinate."""
    one, column = filled(10.0, 1), filled(weight, 1, 1)
    return Statistics(one, one - weight, filled(1.0, 1, 1, 1), column, at * column, at**2 * column, one)


def test_an_estimated_prior_never_reaches_0_or_1():
    em = EM("full", OutlierMoments(), None, reg_covar=0.0, tol=0.0, max_iter=1)
    scales = spread(torch.randn(1, 1, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    start = em.start(scales)
    assert em.m_step(statistics(0.0, at=5.0), scales, start).inlier_prior.item() == pytest.approx(1 - 0.05)
    assert em.m_step(statistics(10.0, at=5.0), scales, start).inlier_prior.item() == pytest.approx(0.05)
