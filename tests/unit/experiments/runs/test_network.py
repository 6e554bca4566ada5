"""Networks as configurations name them: with weights, split, cached, and built again from a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.errors import DeepGUMError, InvalidDataError, InvalidParameterError
from deepgum.experiments.runs.config import ModelConfig, RunConfig
from deepgum.experiments.runs.network import Signature, load_network, prepare, save_network
from deepgum.models import build_model
from deepgum.models.trunk import TrunkAndHead
from deepgum.models.vgg import VGG16
from deepgum.models.weights import save_weights
from deepgum.residuals import predict

VGG = ModelConfig("vgg16", frozen="features.30", fc_width=8)


def images(n: int, seed: int, size: int = 32, mirror: bool = True) -> RegressionData:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 3, size, size), dtype=np.uint8)
    flip = Mirror((0,), (1.0,), (0.0,)) if mirror else None
    ids = [f"{seed}-{row}" for row in range(n)]
    return RegressionData.from_arrays(pixels, rng.uniform(10, 60, (n, 1)), ids=ids, mirror=flip)


def features(n: int, seed: int) -> RegressionData:
    rng = np.random.default_rng(seed)
    return RegressionData.from_arrays(rng.normal(50, 9, (n, 5)).astype(np.float32), rng.uniform(10, 60, (n, 1)))


def subset(make: Any = images) -> Subset:
    return Subset(make(6, 0), make(3, 1), make(4, 2))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file as a network for 1,000 classes leaves it."""
    path = tmp_path_factory.mktemp("weights") / "vgg.safetensors"
    torch.manual_seed(7)
    save_weights(VGG16(1000, image_size=32, fc_width=8), path)
    return path


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("config", "make"),
    [(VGG, images), (ModelConfig("mlp", frozen="layers.1"), features)],
)
def test_what_is_frozen_gives_the_same_network_with_and_without_a_cache(
    tmp_path: Path, config: ModelConfig, make: Any
) -> None:
    data, built = subset(make), {}
    for cache in (True, False):
        network = prepare(replace(config, cache=cache), data, seed=3, cache_dir=tmp_path)
        model = build_model(network.build, network.subset.train, seed=3)
        before = predict(model, network.subset.test)
        built[cache] = before, predict(network.whole(model), data.test)
    for one, other in ((built[True][0], built[False][0]), (built[True][1], built[False][1])):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    # The network that is put together again takes the data themselves.
    torch.testing.assert_close(*built[True], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cache", [True, False])
def test_only_what_is_above_the_cut_is_trained(tmp_path: Path, cache: bool) -> None:
    network = prepare(replace(VGG, cache=cache), subset(), seed=0, cache_dir=tmp_path)
    model = build_model(network.build, network.subset.train, seed=0)
    trained = {name.rpartition("features.")[2] for name, p in model.named_parameters() if p.requires_grad}
    assert all("classifier" in name for name in trained)
    assert len(trained) == 6
    whole = network.whole(model)
    assert isinstance(whole.backbone, TrunkAndHead)
    assert not any(p.requires_grad for p in whole.backbone.trunk.parameters())


def test_a_cache_keeps_the_labels_and_mirrors_only_what_is_trained_on(tmp_path: Path) -> None:
    data = subset()
    cached = prepare(VGG, data, seed=0, cache_dir=tmp_path).subset
    for part, original in zip(
        (cached.train, cached.validation, cached.test), (data.train, data.validation, data.test), strict=True
    ):
        assert part.ids == original.ids
        assert torch.equal(part.targets, original.targets)
        assert part.inputs.shape == (len(original), 512, 1, 1)
    assert cached.train.mirrored_inputs is not None
    assert cached.validation.mirrored_inputs is None
    assert cached.test.mirrored_inputs is None


def test_without_a_cut_there_is_no_cache(tmp_path: Path) -> None:
    data = subset()
    network = prepare(ModelConfig("facenet"), data, seed=0, cache_dir=tmp_path)
    assert network.subset is data
    assert not list(tmp_path.iterdir())


def test_pretrained_layers_are_the_files_and_the_seed_makes_the_others(weights: Path, tmp_path: Path) -> None:
    data, config = subset(), replace(VGG, weights=weights, cache=False)
    models = [
        state(build_model(prepare(config, data, seed=seed, cache_dir=tmp_path).build, data.train, seed))
        for seed in (0, 1)
    ]
    torch.manual_seed(7)
    given = VGG16(1000, image_size=32, fc_width=8)
    convolutions = {name: tensor for name, tensor in given.state_dict().items() if name.startswith("features.")}
    for model in models:
        # Left of the cut, layers stand under `trunk`; right of it under `head`.
        found = {
            name.replace("backbone.trunk.", "").replace("backbone.head.", ""): tensor for name, tensor in model.items()
        }
        for name, tensor in convolutions.items():
            assert torch.equal(found[name], tensor), name
    last = "backbone.head.classifier.6.weight"
    assert not torch.equal(models[0][last], models[1][last])


@pytest.mark.parametrize(("size", "width", "taken"), [(32, 8, True), (40, 8, True), (32, 9, False), (64, 8, False)])
def test_fully_connected_layers_of_a_file_are_taken_where_they_fit(
    weights: Path, tmp_path: Path, size: int, width: int, taken: bool
) -> None:
    data = images(2, 0, size)
    config = ModelConfig("vgg16", weights=weights, fc_width=width)
    network = prepare(config, Subset(data, data, data), seed=0, cache_dir=tmp_path).build(data, 3)
    torch.manual_seed(7)
    given, found = VGG16(1000, image_size=32, fc_width=8).state_dict(), network.state_dict()
    assert torch.equal(found["features.0.weight"], given["features.0.weight"])
    for number in (0, 3):
        name = f"classifier.{number}.weight"
        assert (found[name].shape == given[name].shape and torch.equal(found[name], given[name])) == taken, name
    assert found["classifier.6.weight"].shape == (3, width)


def test_a_weights_file_is_named_as_the_configuration_names_it(tmp_path: Path) -> None:
    for name in ("weights.bin", "nowhere.pth"):
        with pytest.raises(InvalidParameterError, match=f"`weights` should be .*{name}"):
            prepare(replace(VGG, weights=tmp_path / name), subset(), seed=0, cache_dir=tmp_path)


def test_weights_are_checked(weights: Path, tmp_path: Path) -> None:
    data = subset()
    with pytest.raises(InvalidDataError, match="SHA-256"):
        prepare(replace(VGG, weights=weights, sha256="00000000"), data, seed=0, cache_dir=tmp_path)
    save_weights(nn.Linear(2, 3), tmp_path / "other.safetensors")
    with pytest.raises(InvalidDataError, match="another architecture"):
        prepare(replace(VGG, weights=tmp_path / "other.safetensors"), data, seed=0, cache_dir=tmp_path)
    assert not list(tmp_path.glob("trunk-*"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(VGG, frozen="features.99"), r"`frozen` should be a module of VGG16"),
        (replace(VGG, frozen="classifier.6"), "train"),
        (ModelConfig("mlp", frozen="layers.0"), "mlp"),
    ],
)
def test_a_cut_that_cannot_be_made_is_refused(tmp_path: Path, config: ModelConfig, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        prepare(config, subset(), seed=0, cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_global_generator_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    network = prepare(VGG, subset(), seed=0, cache_dir=tmp_path)
    build_model(network.build, network.subset.train, seed=0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("head", ["regression", "expectation"])
@pytest.mark.parametrize("cut", [{"frozen": "layers.1"}, {"frozen": "layers.1", "cache": False}, {}])
def test_a_network_that_was_kept_is_built_again(tmp_path: Path, cut: dict[str, Any], head: str) -> None:
    data, config = subset(features), ModelConfig("mlp", **cut)
    network = prepare(config, data, seed=0, cache_dir=tmp_path)
    model = build_model(network.build, network.subset.train, seed=0, head=head)
    outputs = len(model.values) if head == "expectation" else 1
    whole = network.whole(model)
    save_network(whole, Signature((5,), ("age",), head, outputs), tmp_path)
    run = RunConfig.from_mapping({"data": {"name": "utkface", "folder": "nowhere"}})
    again, signature = load_network(replace(run, model=config, seed=9), tmp_path)
    assert signature == Signature((5,), ("age",), head, outputs)
    assert not again.training
    assert torch.equal(predict(again, data.test), predict(whole, data.test))
    # Another network's weights are not taken for its own.
    with pytest.raises(DeepGUMError):
        load_network(replace(run, model=ModelConfig("facenet")), tmp_path)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", json.dumps({"inputs": 3, "targets": [], "head": "x"})])
def test_a_file_that_describes_no_network_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "network.json").write_text(content)
    with pytest.raises(InvalidDataError, match="should be the folder of a finished run"):
        load_network(RunConfig.from_mapping({"data": {"name": "digits"}}), tmp_path)


class Heads(nn.Module):
    """A network of two outputs of the same shape."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.trunk, self.points, self.spread = nn.Linear(5, 4), nn.Linear(4, num_classes), nn.Linear(4, num_classes)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.trunk(x)
        return {"points": self.points(found), "spread": self.spread(found)}


@pytest.mark.parametrize("frozen", [{}, {"frozen": "trunk", "cache": True}, {"frozen": "trunk", "cache": False}])
@pytest.mark.parametrize(("output", "head"), [("points", "points"), ("spread", "spread"), (1, "spread")])
def test_the_output_of_a_configuration_is_the_prediction(
    tmp_path: Path, frozen: dict[str, Any], output: str | int, head: str
) -> None:
    data = subset(features)
    run = RunConfig.from_mapping({"data": {"name": "digits"}, "model": {"name": f"{__name__}:Heads", "output": output}})
    config = replace(run.model, **frozen)
    network = prepare(config, data, seed=3, cache_dir=tmp_path)
    model = network.whole(build_model(network.build, network.subset.train, seed=3))
    layers = dict(model.named_modules())
    trunk, chosen = (
        next(layer for name, layer in layers.items() if name.endswith(f".{end}")) for end in ("trunk", head)
    )
    expected = model.centre + model.scale * chosen(trunk(torch.as_tensor(data.test.inputs)))
    torch.testing.assert_close(predict(model, data.test), expected.detach())
    save_network(model, Signature((5,), ("y0",), "regression", 1), tmp_path)
    again, _ = load_network(replace(run, model=config), tmp_path)
    torch.testing.assert_close(predict(again, data.test), predict(model, data.test))


def test_a_run_without_an_output_keeps_its_key_and_an_output_is_part_of_the_key() -> None:
    digests = {
        RunConfig.from_mapping({"data": {"name": "digits"}, "model": model}).digest
        for model in ({}, {"output": "logits"}, {"output": 0})
    }
    assert len(digests) == 3
    assert "output" not in RunConfig.from_mapping({"data": {"name": "digits"}}).to_mapping()["model"]
