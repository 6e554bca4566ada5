"""VGG-16 is the published network, at any size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.models.trunk import split_at
from deepgum.models.vgg import LAST_BLOCK, VGG16

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@pytest.fixture(scope="module")
def small() -> VGG16:
    torch.manual_seed(0)
    network = VGG16(n_outputs=3, image_size=64, fc_width=16, dropout=0.5).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif name.startswith("classifier"):
                parameter.normal_(0, 0.05)
    return network


def by_hand(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Return the output of the published network, with the weights of the given network."""
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    for number in CONVOLUTIONS:
        x = functional.conv2d(x, state[f"features.{number}.weight"], state[f"features.{number}.bias"], padding=1).relu()
        if number in (2, 7, 14, 21, 28):
            x = functional.max_pool2d(x, 2)
    x = x.reshape(len(x), -1)
    for number in (0, 3, 6):
        x = functional.linear(x, state[f"classifier.{number}.weight"], state[f"classifier.{number}.bias"])
        x = x.relu() if number != 6 else x
    return x


@pytest.fixture
def uninitialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build networks without random weights, for tests of shapes."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.usefixtures("uninitialised")
def test_names_shapes_and_number_of_the_weights_are_the_published_ones() -> None:
    state = VGG16(n_outputs=1000).state_dict()
    layers = [f"features.{n}" for n in CONVOLUTIONS] + [f"classifier.{n}" for n in (0, 3, 6)]
    assert list(state) == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    # Simonyan and Zisserman, table 2: 138 million, configuration D.
    assert sum(tensor.numel() for tensor in state.values()) == 138_357_544
    assert state["classifier.0.weight"].shape == (4096, 512 * 7 * 7)


def test_the_output_equals_that_of_the_published_network(small: VGG16) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = by_hand(small.state_dict(), images)
        torch.testing.assert_close(small(images), expected, rtol=1e-4, atol=1e-5)
        last = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(small(last), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 1e-3


def test_grey_images_are_three_equal_channels(small: VGG16) -> None:
    grey = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(small(grey), small(grey.expand(-1, 3, -1, -1)))


@pytest.mark.usefixtures("uninitialised")
@pytest.mark.parametrize(("size", "side"), [(32, 1), (95, 2), (112, 3), (224, 7), (255, 7), (256, 8)])
def test_every_32_pixels_add_a_row_and_a_column_to_fc6(size: int, side: int) -> None:
    network = VGG16(n_outputs=2, image_size=size, fc_width=8)
    assert network.classifier[0].in_features == 512 * side * side
    if size < 112:
        assert network(torch.zeros(1, 3, size, size)).shape == (1, 2)


def test_the_last_block_begins_after_the_fourth_pooling(small: VGG16) -> None:
    parts = split_at(small, LAST_BLOCK)
    trained = [name for name, parameter in parts.named_parameters() if parameter.requires_grad]
    layers = [f"head.features.{n}" for n in (24, 26, 28)] + [f"head.classifier.{n}" for n in (0, 3, 6)]
    assert trained == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    assert parts.trunk(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 4, 4)
    small.requires_grad_(True)


def test_weights_start_with_the_published_spread() -> None:
    torch.manual_seed(0)
    state = VGG16(n_outputs=2, image_size=32, fc_width=256).state_dict()
    for name, tensor in state.items():
        if name.endswith("bias"):
            assert not tensor.any()
        elif name.startswith("features"):
            assert tensor.std().item() == pytest.approx((2 / (9 * len(tensor))) ** 0.5, rel=0.1), name
        elif tensor.numel() > 1000:
            assert tensor.std().item() == pytest.approx(0.01, rel=0.1), name


def test_dropout_acts_only_in_training() -> None:
    torch.manual_seed(0)
    network = VGG16(n_outputs=4, image_size=32, fc_width=64, dropout=0.5)
    images = torch.rand(1, 3, 32, 32)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 3, 64, 32), (2, 4, 64, 64), (3, 64, 64)])
def test_images_of_another_shape_are_refused(small: VGG16, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidDataError, match=r"\(b, 3 or 1, 64, 64\)\. Found shape \("):
        small(torch.zeros(shape))


@pytest.mark.parametrize(
    "changes", [{"n_outputs": 0}, {"image_size": 31}, {"image_size": 64.0}, {"fc_width": 0}, {"dropout": 1}]
)
def test_invalid_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(changes))):
        VGG16(**({"n_outputs": 1, "image_size": 32, "fc_width": 1} | changes))
