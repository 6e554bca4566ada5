"""The key of a run: sixteen hexadecimal digits. Equal runs have the same key, wherever their files are."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgum.storage.hashes import Stamp, file_sha256
from deepgum.storage.upgrade import original_options
from deepgum.training.flat_options import key_options
from deepgum.training.schedules import Interleaved
from deepgum.training.sgd_options import PATIENCE

if TYPE_CHECKING:
    from deepgum.experiments.runs.config import ModelConfig, RunConfig

__all__ = ["key_of", "weights_digest"]

# Keys of the configuration that do not change a result.
_NO_DIFFERENCE = {"data": ("folder", "cache_dir"), "model": ("cache", "sha256"), "training": ("device",)}


def key_of(config: RunConfig) -> str:
    """Return the key of a run.

    The key depends on the bytes of the input files (a table, weights). It does not depend on settings that the run does
    not use. It also does not depend on new options that are not set, so that runs of version 0.1.0 keep their keys.

    Examples
    --------
    >>> from deepgum.experiments.runs.config import RunConfig
    >>> one, other = ({"data": {"name": "digits"}, "training": {"device": device}} for device in ("cpu", "cuda"))
    >>> key_of(RunConfig.from_mapping(one)) == key_of(RunConfig.from_mapping(other))
    True
    """
    mapping = config.to_mapping()
    for section, keys in _NO_DIFFERENCE.items():
        for key in keys:
            mapping[section].pop(key, None)
    mapping["data"] = _data(config, mapping["data"])
    mapping["training"]["patience"] = _patience(config)
    mapping["method"] = {"name": config.method.name, "groups": config.groups, "options": _options(config)}
    if not (config.model.frozen and config.model.cache):
        # Without a cache, the number format of the cache has no effect.
        mapping["model"]["cache_dtype"] = "float32"
    if config.model.weights is not None:
        mapping["model"]["weights"] = _digest(config.model.weights) or config.model.weights.name
    if not config.corruption.rate:
        mapping["corruption"] = {"missing": config.corruption.missing}
    if not config.corruption.missing:
        del mapping["corruption"]["missing"]
    return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()[:16]


def _data(config: RunConfig, values: dict[str, Any]) -> dict[str, Any]:
    dataset, folder = config.data.dataset, config.data.folder
    options = {name: value for name, value in values["options"].items() if name not in dataset.local_options}
    values = {**values, "options": original_options(config.data.name, options)}
    if dataset.is_file and folder is not None and folder.is_file():
        values["content"] = _digest(folder)
    if not config.data.pixels:
        del values["pixels"]
    return values


def _options(config: RunConfig) -> dict[str, Any]:
    chosen = config.method.chosen()
    options = {} if chosen is None else key_options(chosen)
    return {name: value for name, value in options.items() if name != "groups" and value is not None}


def _patience(config: RunConfig) -> int:
    """Return the patience for the key. Where patience has no effect, its default is that of version 0.1.0."""
    chosen, training = config.method.chosen(), config.training
    if training.patience is None and chosen is not None and isinstance(chosen.schedule, Interleaved):
        return PATIENCE
    return training.stops_after


def weights_digest(model: ModelConfig) -> str:
    """Return the SHA-256 of the file of weights, or an empty string if there is no such file."""
    return "" if model.weights is None else _digest(model.weights)


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    stamp = Stamp.of(path)
    if stamp is None or not stamp.is_settled(time.time_ns()):
        return file_sha256(path)
    return _kept_hash(path, stamp)


@functools.lru_cache(maxsize=64)
def _kept_hash(path: Path, stamp: Stamp) -> str:
    return file_sha256(path)
