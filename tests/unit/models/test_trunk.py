"""A split network computes the same outputs with a frozen trunk; other networks are refused with the reason."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deepgum.errors import InvalidParameterError
from deepgum.models import FaceNet
from deepgum.models.trunk import TrunkAndHead, split_at


class Block(nn.Module):
    """A residual block; its `if` can be traced only if the block is one step."""

    def __init__(self, width: int, picky: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.picky = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), picky

    def forward(self, x: Tensor) -> Tensor:
        if self.picky and x.sum() > 1e9:
            return x
        y = self.norm(self.conv(x))
        return torch.relu(y + x)


class Residual(nn.Module):
    def __init__(self, picky: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.offset = nn.Parameter(torch.full((4, 1, 1), 0.5))
        self.blocks = nn.Sequential(Block(4), Block(4, picky))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.stem(x)
        x += self.offset
        x.mul_(2)
        if mask is not None:
            x = x * mask
        x = self.blocks(x) * self.offset.sum()
        return self.fc(x.mean(dim=(2, 3)))


class Calls(nn.Module):
    """Three layers that a function of the test calls."""

    def __init__(self, steps: Callable[[Calls, Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c, self.steps = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), steps

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(self, x)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def fresh(kind: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind()


@pytest.mark.parametrize("name", ["0", "1", "4", "8", "12", "13"])
def test_trunk_and_head_together_are_the_network(images: Tensor, name: str) -> None:
    network = fresh(lambda: FaceNet(3, 2, 16, width=4)).eval()
    parts = split_at(network, name)
    assert torch.equal(parts(images), network(images))
    # The trunk must include the steps of the network's own `forward`: FaceNet subtracts 0.5 from the images.
    assert torch.equal(parts.trunk(images), nn.Sequential(*list(network.children())[: int(name) + 1])(images - 0.5))


def test_a_weight_outside_of_the_layers_must_be_on_one_side() -> None:
    with pytest.raises(InvalidParameterError, match=r"Both parts use 1\.offset"):
        split_at(nn.Sequential(nn.Identity(), Residual()), "1.blocks.0")


def test_steps_in_place_and_default_arguments_are_kept(images: Tensor) -> None:
    class Plain(Residual):
        def forward(self, x: Tensor, mask: Tensor | None = None, factor: float = 2.0) -> Tensor:
            x = self.stem(x)
            x.mul_(factor)
            if mask is not None:
                x = x * mask
            x = self.blocks(x) + self.offset
            return self.fc(x.mean(dim=(2, 3)))

    network = fresh(Plain).eval()
    for name in ("stem", "blocks.0", "blocks.1", "blocks"):
        parts = split_at(network, name)
        assert torch.equal(parts(images), network(images)), name
        assert "head.offset" in parts.state_dict()


@pytest.mark.parametrize(
    ("name", "bypass"), [("blocks.0.norm", r"add \(used by"), ("blocks.1.conv", r"blocks_0 \(used by")]
)
def test_a_shortcut_around_the_cut_is_named(name: str, bypass: str) -> None:
    with pytest.raises(InvalidParameterError, match=rf"{name}.*bypass it: {bypass}.*where the branches join"):
        split_at(fresh(Residual), name)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda net, x: net.b(net.b(x)), "calls the module 2 times"),
        (lambda net, x: net.c(net.a(x)), "calls the module 0 times"),
        (lambda net, x: net.c(net.b(x)) + x, r"bypass it: x \(used by add\)"),
        (lambda net, x: net.c(net.a(x) + net.b(x)), r"bypass it: a \(used by add\)"),
        (lambda net, x: net.a(net.b(net.a(x))), r"Both parts use a\.weight, a\.bias"),
        (lambda net, x: net.b(x), "no weight is left to train"),
        (lambda net, x: net.b(x).relu(), "no weight is left to train"),
    ],
)
def test_an_impossible_cut_is_refused(steps: Callable[[Calls, Tensor], Tensor], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=rf"Parameter `name` .*Found `name = 'b'`.*{message}"):
        split_at(Calls(steps), "b")


def test_the_nearest_names_are_listed() -> None:
    with pytest.raises(InvalidParameterError, match=r"a module of Residual\. Found `name = 'blocks\.O'`.*'blocks\.0'"):
        split_at(Residual(), "blocks.O")
    with pytest.raises(InvalidParameterError, match="has no modules"):
        split_at(nn.Linear(2, 2), "x")


def test_steps_that_depend_on_values_matter_only_in_modules_that_contain_the_cut(images: Tensor) -> None:
    class Open(Residual):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            return self.fc(self.blocks(self.stem(x)).mean(dim=(2, 3)))

    network = fresh(lambda: Open(picky=True)).eval()
    assert torch.equal(split_at(network, "blocks.0")(images), network(images))
    with pytest.raises(
        InvalidParameterError, match=r"`model` .*depend on values.*TraceError.*by hand: `TrunkAndHead\("
    ):
        split_at(network, "blocks.1.conv")


def test_a_network_of_two_inputs_is_cut_by_hand() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.b(self.a(x) + y)

    with pytest.raises(InvalidParameterError, match=r"one input.*takes x, y.*by hand"):
        split_at(Two(), "a")


def functional_dropout(net: Calls, x: Tensor) -> Tensor:
    return net.c(nn.functional.dropout(net.b(net.a(x)), 0.5, net.training))


def test_a_functional_dropout_is_refused_in_the_head_and_does_nothing_in_the_trunk() -> None:
    network = Calls(functional_dropout).train()
    with pytest.raises(InvalidParameterError, match=r"only the layers depend on training mode.*functional dropout"):
        split_at(network, "b")
    assert all(module.training for module in network.modules())
    network = Calls(lambda net, x: net.c(net.b(nn.functional.dropout(net.a(x), 0.5, net.training))))
    parts, x = split_at(network, "b").train(), torch.rand(5, 3)
    assert torch.equal(parts(x), network.eval()(x))


def test_training_changes_only_the_head(images: Tensor) -> None:
    network = fresh(lambda: FaceNet(3, 2, 16, width=4)).train()
    before = copy.deepcopy(network.state_dict())
    parts = split_at(network, "4")
    assert parts.head.training
    optimizer = torch.optim.SGD([p for p in parts.parameters() if p.requires_grad], 0.1)
    for _ in range(2):
        parts.train()(images).square().sum().backward()
        optimizer.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    trunk = {key for key in before if int(key.split(".")[0]) <= 4}
    # The statistics of batch normalisation are part of the trunk, like its weights.
    assert "1.running_mean" in trunk
    assert changed == before.keys() - trunk
    assert all(parameter.grad is None for parameter in parts.trunk.parameters())


def test_the_network_itself_predicts_with_the_trained_weights(images: Tensor) -> None:
    network = fresh(lambda: FaceNet(3, 2, 16, width=4))
    parts = split_at(network, "4")
    with torch.no_grad():
        for parameter in parts.head.parameters():
            parameter.add_(0.1)
    assert torch.equal(network.eval()(images), parts.eval()(images))


def test_weights_return_to_a_network_that_is_built_and_split_again(images: Tensor) -> None:
    parts = split_at(fresh(lambda: FaceNet(3, 2, 16, width=4)), "4").eval()
    torch.manual_seed(9)
    again = split_at(FaceNet(3, 2, 16, width=4), "4").eval()
    assert not torch.equal(again(images), parts(images))
    again.load_state_dict(parts.state_dict())
    assert torch.equal(again(images), parts(images))
    assert torch.equal(copy.deepcopy(parts)(images), parts(images))


def test_a_pair_made_by_hand_freezes_its_trunk() -> None:
    model = nn.Sequential(
        TrunkAndHead(nn.Sequential(nn.Linear(3, 3), nn.Dropout()), nn.Sequential(nn.Dropout()))
    ).train()
    pair = model[0]
    assert (pair.training, pair.trunk.training, pair.head.training) == (True, False, True)
    assert not any(module.training for module in pair.trunk.modules())
    assert not any(parameter.requires_grad for parameter in pair.trunk.parameters())
    assert not pair(torch.rand(2, 3)).requires_grad
