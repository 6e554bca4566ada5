"""Networks that are trained side by side: each of them is trained as if it were alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from deepgum.errors import NonFiniteLossError
from deepgum.estimator.stack import NetworkStack, train_stack
from deepgum.losses import L2
from deepgum.models import MLP
from deepgum.models.regressor import Regressor
from deepgum.training import SGDOptions


def table(n: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n, 3, generator=generator)
    return inputs, 5 + inputs.sum(dim=1, keepdim=True)


def stack_of(size: int, dropout: float = 0.0) -> NetworkStack:
    inputs, targets = table()
    network = Regressor.for_targets(MLP.for_features(inputs, 1, width=8, dropout=dropout), targets)
    return NetworkStack(network, size, torch.Generator().manual_seed(1))


def l2(residuals: Tensor, batch: Tensor) -> Tensor:
    return len(residuals) * L2()(residuals.flatten(0, 1))


def trained(stack: NetworkStack, targets: Tensor, rows: list[Tensor], batch_size: int = 64, **options: float) -> None:
    sgd = SGDOptions(learning_rate=0.01, batch_size=batch_size, epochs_max=6, schedule="one-cycle", **options)
    train_stack(stack, table()[0], targets, rows, l2, sgd, torch.Generator().manual_seed(2))


def test_a_network_of_a_stack_learns_what_it_learns_alone() -> None:
    inputs, targets = table()
    stack = stack_of(3)
    alone = stack.member(1).train()
    trained(stack, targets, 3 * [torch.arange(40)])
    # The reference is plain torch. All rows are one batch, so their order has no influence.
    optimizer = torch.optim.Adam(alone.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=6)
    for _ in range(6):
        optimizer.zero_grad()
        (targets - alone(inputs)).square().mean().backward()
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(stack.member(1)(inputs), alone.eval()(inputs), rtol=1e-4, atol=1e-4)


def test_a_network_of_a_stack_predicts_what_its_module_predicts() -> None:
    inputs, _ = table()
    stack = stack_of(3, dropout=0.5).eval()
    for place in range(3):
        torch.testing.assert_close(stack.predict(place, inputs), stack.member(place)(inputs))
    torch.testing.assert_close(stack(inputs)[2], stack.predict(2, inputs))
    assert not torch.allclose(stack.predict(0, inputs), stack.predict(1, inputs))


def test_a_network_is_trained_on_its_own_rows_only() -> None:
    _, targets = table()
    rows = [torch.arange(30), torch.arange(40)]
    spoiled = targets.clone()
    spoiled[30:] = 1e6
    stacks = [stack_of(2), stack_of(2)]
    for stack, labels in zip(stacks, (targets, spoiled), strict=True):
        trained(stack, labels, rows, batch_size=10)
    first, second = ([stack.member(place).state_dict() for stack in stacks] for place in (0, 1))
    assert all(torch.equal(first[0][name], first[1][name]) for name in first[0])
    assert not all(torch.equal(second[0][name], second[1][name]) for name in second[0])


def test_averaged_weights_are_the_moving_average_of_the_weights() -> None:
    inputs, targets = table()
    stack = stack_of(1)
    seen: list[tuple[Tensor, Tensor]] = []

    def record(epoch: int, loss: float, average: NetworkStack) -> None:
        seen.append((stack.weights[0].detach().clone(), average.weights[0].detach().clone()))

    start = stack.weights[0].detach().clone()
    sgd = SGDOptions(learning_rate=0.01, batch_size=64, epochs_max=80)  # one step per epoch
    train_stack(stack, inputs, targets, [torch.arange(40)], l2, sgd, torch.Generator(), record)
    weights, averages = ([pair[side] for pair in seen] for side in (0, 1))
    # After the start, each step has a share of one sixth: six epochs of one step.
    torch.testing.assert_close(averages[-1], averages[-2] + (weights[-1] - averages[-2]) / 6)
    # The initial weights do not count after a few steps.
    assert (averages[9] - weights[9]).norm() < (averages[9] - start).norm()


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    with pytest.raises(NonFiniteLossError, match="in epoch 1"):
        trained(stack_of(1), torch.full((40, 1), float("inf")), [torch.arange(40)])


def test_the_network_that_gives_the_shape_does_not_change() -> None:
    inputs, targets = table()
    network = Regressor.for_targets(MLP.for_features(inputs, 1, width=8), targets).double()
    before = copy.deepcopy(network.state_dict())
    trained(NetworkStack(network, 2, torch.Generator().manual_seed(0)), targets, 2 * [torch.arange(40)])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert isinstance(network.backbone.layers[0], nn.Linear)
