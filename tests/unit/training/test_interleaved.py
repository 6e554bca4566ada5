"""One run of SGD with EM after every epoch: right labels are learned and not flagged, wrong labels are flagged."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import MixtureStatus
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum

N = 240


def line(wrong: float, noise: float = 0.02) -> tuple[torch.Tensor, RegressionData, torch.Tensor]:
    """Return inputs and data of y = 3 x with noise, and a mask of the labels that are random."""
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, N)[:, None]
    bad = torch.rand(N, generator=generator) < wrong
    y = 3 * x + noise * torch.randn(N, 1, generator=generator)
    y[bad] = 8 * torch.rand(int(bad.sum()), 1, generator=generator) - 3
    return x, RegressionData.from_arrays(x, y), bad


def network() -> nn.Module:
    """Return a constant network at the middle of the labels, so that its residuals are uniform."""
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    nn.init.constant_(model.bias, 1.5)
    return model


def test_a_network_that_has_not_learned_in_the_warm_up_still_learns() -> None:
    x, data, _ = line(0.0)
    sgd = SGDOptions(schedule="one-cycle", learning_rate=3e-2, epochs_max=40, batch_size=32)
    result = fit_deepgum(network(), data, data, sgd=sgd)
    # The first EM finds no inliers.
    assert result.history.rounds[0].status == ("no_inliers",)
    assert (result.model(x) - 3 * x).abs().mean() < 0.02
    assert not result.flags.any()


def test_one_run_finds_a_fifth_of_wrong_labels() -> None:
    x, data, bad = line(0.2)
    sgd = SGDOptions(schedule="one-cycle", learning_rate=3e-2, epochs_max=40, batch_size=32)
    result = fit_deepgum(network(), data, data, sgd=sgd)
    assert len(result.history.epochs) == 40
    assert (result.model(x) - 3 * x).abs().mean() < 0.02
    flagged = result.flags[:, 0]
    assert (flagged & ~bad).sum() <= 2
    assert (flagged & bad).sum() >= 0.9 * bad.sum()


def test_the_status_of_the_last_mixture_gives_a_warning() -> None:
    _, data, _ = line(0.0)
    stuck = SGDOptions(learning_rate=1e-9, epochs_max=3)
    with pytest.warns(IdentifiabilityWarning, match="no inliers.* Fit the network better first"):
        result = fit_deepgum(network(), data, data, options=DeepGUMOptions(warmup_epochs=1), sgd=stuck)
    assert result.mixture is not None
    assert result.mixture.status_ == (MixtureStatus.NO_INLIERS,)


@pytest.mark.parametrize("seed", range(2))
def test_right_labels_with_gaussian_noise_are_not_flagged(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, 3, generator=generator)
    y = x @ torch.tensor([[1.0], [2.0], [3.0]]) + 0.5 * torch.randn(N, 1, generator=generator)
    data = RegressionData.from_arrays(x, y)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 1))
    sgd = SGDOptions(schedule="one-cycle", learning_rate=2e-2, epochs_max=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error", IdentifiabilityWarning)
        result = fit_deepgum(model, data, data, sgd=sgd)
    assert result.flags.sum() <= 0.05 * N
