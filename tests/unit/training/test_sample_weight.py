"""Sample weights in the data, in the loss and in the mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError
from deepgum.losses import L1
from deepgum.models import DeepExpectation
from deepgum.training.algorithm import fit_deepgum
from deepgum.training.baselines import fit_loss
from deepgum.training.loop.objective import CrossEntropy, Objective
from deepgum.training.options import DeepGUMOptions
from deepgum.training.schedules import Alternate, Interleaved
from deepgum.training.sgd_options import SGDOptions

NAN, INF = float("nan"), float("inf")

SCHEDULES = {"interleaved": Interleaved(), "alternate": Alternate(widening=2.0, degrees_of_freedom=4.0, rounds_max=2)}


def line(n: int = 60, sample_weight: Any = None, seed: int = 0) -> RegressionData:
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(-1, 1, n)[:, None]
    y = 2 * x + 1 + 0.1 * torch.randn(n, 1, generator=generator)
    y[::5] += 8 * torch.rand(len(y[::5]), 1, generator=generator) + 2
    return RegressionData.from_arrays(x, y, sample_weight=sample_weight)


def repeated(data: RegressionData, times: torch.Tensor) -> RegressionData:
    return data.subset(torch.arange(len(data)).repeat_interleave(times))


def test_sample_weights_follow_their_rows() -> None:
    weights = np.arange(60.0)[::-1]  # torch does not support negative strides
    data = line(sample_weight=weights)
    assert data.subset([3, 0, 59]).sample_weight.tolist() == [56, 59, 0]
    assert torch.equal(data.scaled(3.0).sample_weight, data.sample_weight)
    assert torch.equal(data.with_targets(-data.targets).sample_weight, data.sample_weight)
    for batch in shuffled_batches(data, 7, torch.Generator().manual_seed(0)):
        assert batch.sample_weight.tolist() == (59 - batch.index).tolist()
    assert next(ordered_batches(line(), 7)).sample_weight is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"`sample_weight` should be float32 of shape \(60,\).* Found .* \(2,\)"),
        (np.ones((60, 1)), r"Found .* \(60, 1\)"),
        (
            [1.0] * 59 + [-1.0],
            "`sample_weight` should be finite in float32 and at least 0. Found 1 samples .*: 59",
        ),
        ([NAN] + [1.0] * 59, "Found 1 samples with an invalid value: 0"),
        ([1.0, 1e300] + [1.0] * 58, "Found 1 samples with an invalid value: 1"),
        ([0.0] * 60, "above 0 for some samples. Found zero for all 60"),
    ],
)
def test_invalid_weights_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        line(sample_weight=weights)


def test_the_weight_multiplies_the_loss_of_plain_and_mirrored_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(9, 4, generator=generator)
    targets[2, 1] = NAN
    own = torch.rand(9, generator=generator)
    given, outputs = torch.rand(9, 4, generator=generator), torch.rand(9, 4, generator=generator)
    mirror = Mirror.landmarks([(0, 1)], 2)
    images = torch.zeros(9, 1, 4, 4, dtype=torch.uint8)
    data = RegressionData.from_arrays(images, targets, mirror=mirror, sample_weight=own)
    (batch,) = shuffled_batches(data, 9, torch.Generator().manual_seed(1))
    assert 0 < int(batch.mirrored.sum()) < 9
    objective = Objective(L1(), given)
    # The network gets mirrored inputs and predicts mirrored labels.
    answer = torch.where(batch.mirrored[:, None], mirror.targets(outputs[batch.index]), outputs[batch.index])
    weights = own.double().numpy()[:, None] * given.double().numpy()
    expected = np.nansum(weights * np.abs((targets - outputs).double().numpy())) / 35
    assert objective(batch, answer).item() == pytest.approx(expected, rel=1e-5)


def test_the_cross_entropy_of_a_sample_is_multiplied_by_its_weight() -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    data = RegressionData.from_arrays(torch.zeros(3, 1), [[5.0], [7.0], [NAN]], sample_weight=[0.5, 3.0, 9.0])
    (batch,) = ordered_batches(data, 3)
    model = DeepExpectation(nn.Identity(), 5, 7)
    log_p = logits.log_softmax(dim=1)
    expected = -(0.5 * log_p[0, 0] + 3 * log_p[1, 2]).item() / 2
    assert CrossEntropy(model)(batch, logits).item() == pytest.approx(expected, rel=1e-5)
    halved = -(0.25 * log_p[0, 0] + 3 * log_p[1, 2]).item() / 2
    given = torch.tensor([[0.5], [1.0], [1.0]])
    assert CrossEntropy(model, given)(batch, logits).item() == pytest.approx(halved, rel=1e-5)


@pytest.mark.parametrize("schedule", ["alternate", "interleaved"])
def test_a_weight_equals_that_number_of_copies_in_a_training_with_one_batch(schedule: str) -> None:
    times = torch.randint(0, 4, (60,), generator=torch.Generator().manual_seed(3))
    weights = times / times.float().mean()
    options = DeepGUMOptions(schedule=SCHEDULES[schedule], cauchy_scale=0.5, warmup_epochs=8)
    sgd = SGDOptions(optimizer="sgd", learning_rate=0.1, batch_size=1000, epochs_max=20, patience=20)
    found = []
    for train in (line(sample_weight=weights), repeated(line(), times)):
        torch.manual_seed(0)
        result = fit_deepgum(nn.Linear(1, 1), train, line(seed=1), options=options, sgd=sgd)
        found.append([*result.model.parameters(), result.mixture.inlier_prior_, *result.mixture.covariances_])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("schedule", ["alternate", "interleaved"])
def test_a_sample_of_weight_0_has_no_influence_on_anything(schedule: str) -> None:
    weights = torch.ones(60)
    weights[::7] = 0
    found = []
    for change in (0.0, 1e4):
        train = line(sample_weight=weights)
        targets = train.targets.clone()
        targets[::7] += change
        options = DeepGUMOptions(schedule=SCHEDULES[schedule], cauchy_scale=0.5, warmup_epochs=2)
        torch.manual_seed(0)
        result = fit_deepgum(
            nn.Linear(1, 1), train.with_targets(targets), line(seed=1), options=options, sgd=SGDOptions(epochs_max=6)
        )
        found.append([*result.model.parameters(), result.mixture.inlier_prior_, *result.mixture.covariances_])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_a_training_with_one_loss_uses_sample_weights() -> None:
    # The squared error of labels 0 and 1 is minimal at their weighted mean.
    data = RegressionData.from_arrays(torch.ones(40, 1), [0.0, 1.0] * 20, sample_weight=[1.0, 3.0] * 20)
    model = nn.Linear(1, 1, bias=False)
    sgd = SGDOptions(optimizer="sgd", learning_rate=0.05, batch_size=40, epochs_max=100, patience=100)
    fit_loss(model, data, data.with_targets(torch.full((40, 1), 0.75)), loss="l2", sgd=sgd)
    assert model.weight.item() == pytest.approx(0.75, abs=1e-3)
