"""Networks by name and by dotted factory, and the regressor's units."""

import sys
import types

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.models import FaceNet, Regressor, build_model


def images(channels=1, size=16, d=4, n=6):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)
    return RegressionData.from_arrays(inputs, torch.rand(n, d, generator=generator))


@pytest.fixture
def backbones():
    """Create a module with factories, like a file of a user."""
    module = types.ModuleType("some_backbones")

    class Takes(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.head = nn.Linear(3, num_classes)

        def forward(self, x):
            assert x.shape[1] == 3
            return self.head(x.mean(dim=(2, 3)))

    module.takes_num_classes = Takes
    module.fixed = lambda: Takes(1000)
    module.number = 3
    module.makes_a_number = lambda: 3
    module.makes_a_number_of_classes = lambda num_classes: num_classes
    module.wants_more = lambda depth: Takes(depth)
    module.fails = lambda: Takes(int("seven"))
    module.headless = lambda: nn.Sequential(nn.Flatten())
    sys.modules[module.__name__] = module
    yield module.__name__
    del sys.modules[module.__name__]


@pytest.mark.parametrize("size", [16, 31, 48, 65])
def test_facenet_takes_any_size(size):
    assert FaceNet(3, 7, size)(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_initial_weights_depend_on_the_seed_alone():
    data = images()
    torch.manual_seed(99)
    first = build_model("facenet", data, seed=1)
    drawn = torch.rand(1)
    second, other = build_model("facenet", data, seed=1), build_model("facenet", data, seed=2)
    torch.manual_seed(99)
    assert torch.equal(drawn, torch.rand(1)), "the global generator was touched"
    pairs = list(zip(first.parameters(), second.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


@pytest.mark.parametrize("factory", ["takes_num_classes", "fixed"])
def test_a_dotted_factory_gets_the_right_outputs_and_three_channels(backbones, factory):
    data = images(channels=1, d=6)
    assert build_model(f"{backbones}:{factory}", data, seed=0)(torch.zeros(2, 1, 16, 16)).shape == (2, 6)


def test_unknown_names_are_refused(backbones):
    data = images()
    with pytest.raises(UnknownNameError, match="Did you mean 'facenet'"):
        build_model("face-net", data, seed=0)
    with pytest.raises(InvalidParameterError, match="no_such_package"):
        build_model("no_such_package:model", data, seed=0)
    with pytest.raises(InvalidParameterError, match="end in a linear layer"):
        build_model(f"{backbones}:headless", data, seed=0)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (":model", "imported.*Empty module name"),
        (".model:x", "imported"),
        ("some_backbones:", "imported"),
        ("some_backbones:typo", "imported.*typo"),
        ("some_backbones:number", "called.*not a callable"),
        ("some_backbones:wants_more", "called.*TypeError.*depth"),
        ("some_backbones:fails", "called.*ValueError.*seven"),
        ("some_backbones:makes_a_number", "torch modules.*type int"),
        ("some_backbones:makes_a_number_of_classes", "torch modules.*type int"),
    ],
)
def test_an_error_in_a_factory_is_an_error_about_the_model(backbones, factory, message):
    with pytest.raises(InvalidParameterError, match=f"Parameter `model` should be a factory.*{message}"):
        build_model(factory, images(), seed=0)


def test_a_callable_makes_a_backbone_from_the_data_and_the_number_of_outputs():
    data, asked = images(channels=3, d=6), []

    def backbone(given, n_outputs):
        asked.append((given, n_outputs))
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, n_outputs))

    first, second = build_model(backbone, data, seed=5), build_model(backbone, data, seed=5)
    assert asked == [(data, 6)] * 2
    assert first(torch.zeros(2, 3, 16, 16)).shape == (2, 6)
    assert torch.equal(first.backbone[1].weight, second.backbone[1].weight)
    ages = RegressionData.from_arrays(data.inputs, torch.linspace(20, 30, 6))
    assert build_model(backbone, ages, seed=0, head="expectation").train()(torch.zeros(2, 3, 16, 16)).shape == (2, 11)


@pytest.mark.parametrize("factory", ["takes_num_classes", "fixed"])
def test_a_dotted_factory_gets_one_output_per_class(backbones, factory):
    ages = images(channels=3, d=1).with_targets(torch.linspace(20, 30, 6)[:, None])
    model = build_model(f"{backbones}:{factory}", ages, seed=0, head="expectation")
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 11)


def test_mlp_standardises_the_features_that_it_is_built_from_and_takes_no_images():
    features = 100 + 50 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    data = RegressionData.from_arrays(features.double().numpy(), torch.rand(200, 2))
    model = build_model("mlp", data, seed=0)
    assert model(features).shape == (200, 2)
    torch.testing.assert_close(model.backbone.mean, features.mean(dim=0))
    with pytest.raises(InvalidParameterError, match=r"'mlp'.*feature vectors.*\(6, 1, 16, 16\)"):
        build_model("mlp", images(), seed=0)
    with pytest.raises(InvalidParameterError, match="square images"):
        build_model("facenet", data, seed=0)


def test_an_unknown_head_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'expectation'"):
        build_model("facenet", images(), seed=0, head="expectations")


def test_an_untrained_network_predicts_in_the_units_of_the_labels():
    targets = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    backbone = nn.Linear(2, 3)
    plain = Regressor.for_targets(backbone, targets)(x)
    factor, offset = torch.tensor([1e3, 1e-3, 1.0]), torch.tensor([5.0, -2.0, 0.0])
    scaled = Regressor.for_targets(backbone, targets * factor + offset)(x)
    torch.testing.assert_close(scaled, plain * factor + offset, rtol=1e-4, atol=1e-4)


def test_labels_that_are_mostly_equal_have_a_scale_in_their_unit():
    targets = torch.cat([torch.zeros(70, 1), torch.linspace(1, 30, 30)[:, None]])
    scales = [Regressor.for_targets(nn.Linear(1, 1), factor * targets).scale for factor in (1.0, 1000.0)]
    # The MAD is 0, so the scale is the mean absolute deviation, times the factor of the normal distribution.
    torch.testing.assert_close(scales[0], 1.2533 * targets.abs().mean(dim=0))
    torch.testing.assert_close(scales[1], 1000 * scales[0])


def test_wrong_labels_hardly_move_centre_and_scale():
    targets = torch.randn(1001, 1, generator=torch.Generator().manual_seed(0))
    targets[:200] = 1e6
    model = Regressor.for_targets(nn.Linear(1, 1), targets)
    assert abs(model.centre.item()) < 0.5
    assert 0.8 < model.scale.item() < 2


def test_degenerate_labels():
    model = Regressor.for_targets(nn.Linear(1, 2), torch.tensor([[1.0, 2.0], [1.0, 4.0], [1.0, 9.0]]))
    assert (model.scale > 0).all()
    with pytest.raises(InvalidDataError, match=r"\[1\]"):
        Regressor.for_targets(nn.Linear(1, 2), torch.tensor([[1.0, float("nan")], [1.0, float("nan")]]))
