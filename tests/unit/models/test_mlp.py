"""A network of fully connected layers standardises all features like its training features."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.models.mlp import MLP


def features(n: int = 200, p: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, p, generator=generator) * torch.tensor([1e-3, 1.0, 50.0, 1e4, 2.0]) + torch.arange(5.0)


def seen_by_the_first_layer(model: MLP, inputs: Tensor) -> Tensor:
    seen = []
    first = next(module for module in model.modules() if isinstance(module, nn.Linear))
    handle = first.register_forward_hook(lambda _module, arguments, _output: seen.append(arguments[0]))
    model(inputs)
    handle.remove()
    return seen[0]


def test_training_features_reach_the_first_layer_with_mean_0_and_deviation_1() -> None:
    inputs = features()
    seen = seen_by_the_first_layer(MLP.for_features(inputs, 3), inputs)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(dim=0, correction=0), torch.ones(5), atol=1e-4, rtol=0)


def test_new_features_are_treated_as_the_training_features_were() -> None:
    inputs = features()
    model = MLP.for_features(inputs, 3)
    new = features()[:7] * 3 + 1
    expected = (new - inputs.mean(dim=0)) / inputs.std(dim=0, correction=0)
    torch.testing.assert_close(seen_by_the_first_layer(model, new), expected, rtol=1e-4, atol=1e-4)


def test_the_unit_of_a_feature_makes_no_difference() -> None:
    inputs = features()
    units = torch.tensor([1e3, 1e-2, 1.0, 30.0, 7.0])
    outputs = []
    for given in (inputs, inputs * units):
        torch.manual_seed(1)
        outputs.append(MLP.for_features(given, 2)(given))
    torch.testing.assert_close(*outputs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8, -3.0])
def test_a_feature_that_was_constant_in_training_is_ignored(constant: float) -> None:
    inputs = features()
    inputs[:, 2] = constant
    model = MLP.for_features(inputs, 3)
    outputs = model(inputs)
    assert outputs.isfinite().all()
    changed = inputs.clone()
    changed[:, 2] += 1000.0 + abs(constant)
    assert torch.equal(model(changed), outputs)
    outputs.sum().backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters() if weights.grad is not None)


def test_a_feature_that_is_constant_in_float32_is_ignored() -> None:
    inputs = features().double()
    inputs[:, 2] *= 1e-60
    model = MLP.for_features(inputs, 3)
    assert (model.std > 1e38).tolist() == [False, False, True, False, False]
    # A weights file must have finite numbers only.
    assert model.std.isfinite().all()
    assert model(inputs.float()).isfinite().all()


def test_the_standardisation_is_saved_with_the_weights() -> None:
    inputs = features()
    inputs[:, 1] = 4.0
    model = MLP.for_features(inputs, 3, width=16)
    again = MLP(5, 3, width=16)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(inputs), model(inputs))
    assert not {"mean", "std"} & {name for name, _ in model.named_parameters()}


def test_without_training_features_nothing_is_standardised() -> None:
    inputs = features()
    assert torch.equal(seen_by_the_first_layer(MLP(5, 3), inputs), inputs)


@pytest.mark.parametrize(("depth", "width"), [(0, 9), (1, 9), (3, 4)])
def test_depth_and_width_are_those_of_the_hidden_layers(depth: int, width: int) -> None:
    model = MLP(5, 3, width=width, depth=depth)
    shapes = [tuple(module.weight.shape) for module in model.modules() if isinstance(module, nn.Linear)]
    sizes = [5, *[width] * depth, 3]
    assert shapes == [(after, before) for before, after in itertools.pairwise(sizes)]
    assert sum(isinstance(module, nn.ReLU) for module in model.modules()) == depth


def test_without_hidden_layers_the_network_is_linear() -> None:
    inputs = features()
    model = MLP.for_features(inputs, 2, depth=0)
    a, b = inputs[:50], inputs[50:100]
    torch.testing.assert_close(model((a + b) / 2), (model(a) + model(b)) / 2, rtol=1e-4, atol=1e-4)
    deep = MLP.for_features(inputs, 2)
    assert not torch.allclose(deep((a + b) / 2), (deep(a) + deep(b)) / 2, rtol=1e-2, atol=1e-2)


def test_dropout_acts_in_training_only() -> None:
    inputs = features()
    model = MLP.for_features(inputs, 2, dropout=0.5)
    torch.manual_seed(0)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))
    still = MLP.for_features(inputs, 2)
    assert torch.equal(still(inputs), still(inputs))


def test_the_network_learns_a_nonlinear_function() -> None:
    torch.manual_seed(0)
    inputs = features(300)
    standard = (inputs - inputs.mean(dim=0)) / inputs.std(dim=0)
    targets = (standard[:, :1] * standard[:, 3:4]).abs()
    model = MLP.for_features(inputs, 1, width=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        loss = (model(inputs) - targets).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * targets.var().item()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(3), "shape"),
        (torch.zeros(0, 4), "at least one sample"),
        (torch.zeros(3, 4, dtype=torch.int64), "int64"),
        (torch.tensor([[0.0, float("nan")], [1.0, 2.0]]), "Found 1 samples"),
    ],
)
def test_features_that_cannot_be_used_are_refused(given: Tensor, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        MLP.for_features(given, 2)


@pytest.mark.parametrize(
    "options",
    [{"n_features": 0}, {"n_outputs": 0}, {"width": 0}, {"depth": -1}, {"depth": 1.0}, {"dropout": 1.0}],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{next(iter(options))}`"):
        MLP(**({"n_features": 3, "n_outputs": 2} | options))
