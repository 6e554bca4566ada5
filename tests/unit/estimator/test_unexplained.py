"""The part of the labels' variance that predictions do not explain."""

from __future__ import annotations

import pytest
import torch

from deepgum.estimator.unexplained import unexplained_share


def test_the_share_is_that_of_gaussian_noise_and_has_no_unit() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(20_000, 1, generator=generator)
    labels = truth + 0.5 * torch.randn(20_000, 1, generator=generator)
    share = unexplained_share(labels, truth)
    assert share == pytest.approx(0.25 / 1.25, rel=0.05)
    assert unexplained_share(100 * labels + 7, 100 * truth + 7) == pytest.approx(share, rel=1e-4)
    # Wrong and missing labels hardly change it.
    spoiled = labels.clone()
    spoiled[:1000], spoiled[1000:2000] = 1e6, torch.nan
    assert unexplained_share(spoiled, truth) == pytest.approx(share, rel=0.2)


def test_the_share_is_at_most_1_and_the_mean_over_the_columns() -> None:
    labels = torch.arange(100.0)[:, None].expand(100, 2)
    predictions = torch.stack([labels[:, 0], labels[:, 1] + 1e6], dim=1)
    assert unexplained_share(labels, predictions) == pytest.approx(0.5)
