"""One run of SGD with EM after every epoch: what it must not do to a training."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import MixtureStatus
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum

N = 300


def line(wrong: float, noise: float = 0.02) -> tuple[torch.Tensor, RegressionData, torch.Tensor]:
    """Return y = 3 x with a little noise, a share of its labels anywhere, and which."""
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, N)[:, None]
    bad = torch.rand(N, generator=generator) < wrong
    y = 3 * x + noise * torch.randn(N, 1, generator=generator)
    y[bad] = 8 * torch.rand(int(bad.sum()), 1, generator=generator) - 3
    return x, RegressionData.from_arrays(x, y), bad


def network() -> nn.Module:
    """Return a line that knows the labels' middle and nothing else, so that its residuals fill a box."""
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    nn.init.constant_(model.bias, 1.5)
    return model


def test_a_network_that_has_hardly_moved_when_the_warm_up_ends_learns_all_the_same() -> None:
    x, data, _ = line(0.0)
    sgd = SGDOptions(schedule="one-cycle", learning_rate=3e-2, epochs_max=40, batch_size=32)
    result = fit_deepgum(network(), data, data, sgd=sgd)
    # The case that is meant: as EM begins nothing looks like an inlier.
    assert result.history.rounds[0].status == ("no_inliers",)
    assert (result.model(x) - 3 * x).abs().mean() < 0.02
    assert not result.flags.any()


def test_it_finds_a_fifth_of_wrong_labels_in_one_run() -> None:
    x, data, bad = line(0.2)
    sgd = SGDOptions(schedule="one-cycle", learning_rate=3e-2, epochs_max=40, batch_size=32)
    result = fit_deepgum(network(), data, data, sgd=sgd)
    assert len(result.history.epochs) == 40
    assert (result.model(x) - 3 * x).abs().mean() < 0.02
    flagged = result.flags[:, 0]
    assert (flagged & ~bad).sum() <= 2
    assert (flagged & bad).sum() >= 0.9 * bad.sum()


def test_what_the_last_mixture_cannot_tell_is_said() -> None:
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
