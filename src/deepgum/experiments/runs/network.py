"""Functions that build, write and read the network of a run, and that cache the outputs of a frozen part."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from deepgum.checks import check_choice, check_count
from deepgum.data.crop_cache import default_cache_dir
from deepgum.data.feature_encoding import FeatureEncoding
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.errors import InvalidParameterError
from deepgum.experiments.runs.config import PUBLISHED, ModelConfig, RunConfig
from deepgum.models import DeepExpectation, Regressor, build_model
from deepgum.models.factory import HEADS, build_backbone
from deepgum.models.trunk import TrunkAndHead, split_at
from deepgum.models.vgg import VGG16
from deepgum.models.weights import download_vgg16_weights, load_weights, save_weights
from deepgum.outputs import OutputOf
from deepgum.storage.decoding import decoding, json_object
from deepgum.storage.disk import write_atomically
from deepgum.storage.nested import build
from deepgum.trunk_cache import cache_features

__all__ = ["Network", "Signature", "load_network", "prepare", "save_network"]


LARGEST_INPUT = 2**28
"""Largest number of values in one sample; an image of 16,000 x 5,592 pixels in colour."""


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a network. With this information, the network can be built again.

    Attributes
    ----------
    inputs : tuple of int
        Shape of one sample.
    targets : tuple of str
        Names of the d coordinates.
    head : {"regression", "expectation"}
    outputs : int
        Number of outputs of the backbone: d for the head "regression", the number of classes for "expectation".
    ranges : dict of str to (float, float)
        Range of pixels with more than 8 bits in the training images; see `deepgum.data.image_reading.ImageReading`.
    encoding : FeatureEncoding or None
        The columns of features of a table, if some have categories or gaps.
    """

    inputs: tuple[int, ...]
    targets: tuple[str, ...]
    head: str
    outputs: int
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    encoding: FeatureEncoding | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            if not getattr(self, name):
                raise InvalidParameterError(name, "a list of at least one value", [])
        for side in self.inputs:
            check_count("inputs", side)
        if math.prod(self.inputs) > LARGEST_INPUT:
            raise InvalidParameterError("inputs", f"at most {LARGEST_INPUT} numbers per sample", self.inputs)
        check_choice("head", self.head, HEADS)
        check_count("outputs", self.outputs)
        if self.head == "regression" and self.outputs != len(self.targets):
            raise InvalidParameterError("outputs", f"{len(self.targets)}, the number of targets", self.outputs)
        if self.encoding is not None and self.inputs != (len(self.encoding.names),):
            raise InvalidParameterError("encoding", f"for inputs of shape {self.inputs}", self.encoding.names)


@dataclass(frozen=True)
class Network:
    """The network that all runs on one subset train, before the training.

    Attributes
    ----------
    subset : Subset
        Samples for the training. If the outputs of a frozen trunk are cached, the inputs are these outputs. Otherwise
        the inputs are the data.
    build : callable
        ``build(data, n_outputs)`` returns a backbone for the inputs in `subset`; see `deepgum.models.build_model`.
    whole : callable
        Function that takes a trained network, and returns the whole network, whose inputs are the data.
    """

    subset: Subset
    build: Callable[[RegressionData, int], nn.Module]
    whole: Callable[[nn.Module], nn.Module]


def prepare(
    config: ModelConfig,
    subset: Subset,
    *,
    seed: int,
    cache_dir: Path | None = None,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> Network:
    """Return the network for a subset. If the configuration asks for a cache, compute the outputs of the frozen part.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the network cannot be built or split, or if the weights cannot be loaded.
    """
    # A network needs only the shape of images, so one image is enough. Features are standardised with all samples.
    images = subset.train if subset.train.inputs.ndim == 2 else subset.train.subset([0])

    if not (config.frozen and config.cache):
        return Network(subset, lambda data, n: _whole(config, data, n), lambda model: model)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk = _parts(config, images, images.targets.shape[1]).trunk
    folder = cache_dir or default_cache_dir()
    # Only training samples are ever mirrored.
    parts = (subset.train, replace(subset.validation, mirror=None), replace(subset.test, mirror=None))
    train, validation, test = (
        cache_features(trunk, part, folder, dtype=config.cache_dtype, device=device, on_progress=on_progress)
        for part in parts
    )
    features = Subset(train, validation, test, subset.width)

    def whole(model: nn.Module) -> nn.Module:
        assert isinstance(model, Regressor | DeepExpectation)
        model.backbone = TrunkAndHead(trunk, model.backbone)
        return model

    return Network(features, lambda _, n: _parts(config, images, n).head, whole)


def _whole(config: ModelConfig, data: RegressionData, n_outputs: int) -> nn.Module:
    """Return the configured network, in two parts if one is frozen."""
    if config.frozen:
        return _parts(config, data, n_outputs)
    return _with_output(_backbone(config, data, n_outputs), config)


def _parts(config: ModelConfig, data: RegressionData, n_outputs: int) -> TrunkAndHead:
    parts = _split(_backbone(config, data, n_outputs), config.frozen)
    return TrunkAndHead(parts.trunk, _with_output(parts.head, config))


def _with_output(network: nn.Module, config: ModelConfig) -> nn.Module:
    return network if config.output is None else OutputOf(network, config.output)


def _split(network: nn.Module, frozen: str) -> TrunkAndHead:
    try:
        return split_at(network, frozen)
    except InvalidParameterError as error:
        # Errors name the key of the configuration.
        name = "frozen" if error.parameter == "name" else error.parameter
        raise InvalidParameterError(name, error.expected, error.found, error.hint) from error


def _backbone(config: ModelConfig, data: RegressionData, n_outputs: int) -> nn.Module:
    if config.name != "vgg16":
        model = build_backbone(config.name, data, n_outputs)
        if config.weights is not None:
            _load(model, config.weights, config)
        return model
    size = data.inputs.shape[-1]
    vgg = VGG16(n_outputs, image_size=size, fc_width=config.fc_width)
    if config.weights is not None:
        path = download_vgg16_weights() if config.weights == PUBLISHED else config.weights
        # Fully connected layers depend on the image size and the width, which may differ from those in the file.
        _load(vgg, path, config, fitting=("classifier.",))
    return vgg


def _load(model: nn.Module, path: Path, config: ModelConfig, fitting: Sequence[str] = ()) -> None:
    try:
        load_weights(model, path, sha256=config.sha256 or None, fitting=fitting)
    except InvalidParameterError as error:
        name = "weights" if error.parameter == "path" else error.parameter
        raise InvalidParameterError(name, error.expected, error.found, error.hint) from error


def save_network(model: nn.Module, signature: Signature, folder: Path) -> None:
    """Write the files `weights.safetensors` and `network.json` of a trained network."""
    save_weights(model, folder / "weights.safetensors")
    with write_atomically(folder / "network.json") as temporary:
        values = asdict(signature)
        if signature.encoding is None:
            del values["encoding"]
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_network(config: RunConfig, folder: Path) -> tuple[nn.Module, Signature]:
    """Build the network of a run, load the trained weights, and return the network in evaluation mode.

    Raises
    ------
    InvalidDataError
        If the folder holds no finished run.
    """
    with decoding(folder, "the folder of a finished run"):
        values = json_object((folder / "network.json").read_text(encoding="utf-8"))
        signature: Signature = build(Signature, values)
        images = len(signature.inputs) == 3
        inputs = torch.zeros(2, *signature.inputs, dtype=torch.uint8 if images else torch.float32)
        # These labels only set the size of the head. The numbers of the head are part of the weights.
        targets = torch.zeros(2, len(signature.targets))
        if signature.head == "expectation":
            targets[1] = signature.outputs - 1
        data = RegressionData.from_arrays(inputs, targets, target_names=signature.targets, encoding=signature.encoding)
        # Pretrained weights are not needed, because all weights are in the folder.
        plain = replace(config.model, weights=None)

        model = build_model(lambda example, n: _whole(plain, example, n), data, config.seed, head=signature.head)
        load_weights(model, folder / "weights.safetensors", complete=True)
    return model.eval(), signature
