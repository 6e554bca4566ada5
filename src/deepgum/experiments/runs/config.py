"""What a run is: data, model, method, corruption, training and seed, in one TOML file that is checked at the door."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from deepgum.checks import check_choice, check_count, check_fraction
from deepgum.data.corruption import NOISES
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.registry import get_dataset, name_of
from deepgum.errors import InvalidParameterError
from deepgum.experiments.runs.nested import build, plain
from deepgum.models.weights import SUFFIXES
from deepgum.plugins import is_path
from deepgum.storage.upgrade import original_options
from deepgum.training import DeepGUMOptions, SGDOptions, get_method
from deepgum.training.flat_options import key_options, refuse_flat

__all__ = ["CorruptionConfig", "DataConfig", "MethodConfig", "ModelConfig", "RunConfig"]

GROUPS = ("sample", "landmark", "coordinate")
OPTIONS = tuple(each.name for each in fields(DeepGUMOptions) if each.name not in ("groups", "schedule", "mixture"))
PUBLISHED = Path("imagenet")
CACHE_DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class DataConfig:
    """Section `[data]`.

    Parameters
    ----------
    name : str, Dataset or class
        A key of `deepgum.data.sets.registry.DATASETS` (`csv` is another word for `table`), or a data set of the user's:
        an object of `deepgum.data.Dataset`, its class, or its path "package.module:name". Kept as text.
    folder : Path, optional
        Where the data set is; for `table` the file. Relative to the working directory.
    image_size : int, optional
        Side of the images in pixels; by default the data set's own.
    colour : bool
        Three channels, where the data set leaves the choice.
    train_size, validation_size, test_size : int, optional
        Numbers of samples (of celebrities for CACD's last two); by default the data set's own rule.
    fold : int
        Which fold is for testing, where there is cross-validation.
    skip_missing, skip_unreadable : bool
        Go on without images that are not there, or that cannot be decoded.
    cache_dir : Path, optional
        Of decoded crops and of frozen trunks' outputs.
    pixels : bool
        Landmarks in pixels of an image 224 wide, as the paper's networks predict them, and not in fractions of the
        image's side. The steps of plain SGD depend on it, and a learning rate is one for a unit.
    options : dict
        Of the data set alone, for example the columns of a table.
    """

    name: str | Any = "lfw-net"
    folder: Path | None = None
    image_size: int | None = None
    colour: bool = True
    train_size: int | None = None
    validation_size: int | None = None
    test_size: int | None = None
    fold: int = 0
    skip_missing: bool = False
    skip_unreadable: bool = False
    cache_dir: Path | None = None
    pixels: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dataset = get_dataset(self.name, "name")
        object.__setattr__(self, "name", name_of(self.name, "name"))
        if dataset.needs_folder and self.folder is None:
            raise InvalidParameterError("folder", f"the folder of the data set {self.name!r}", None)
        for name, least in (("train_size", 2), ("validation_size", 1), ("test_size", 1), ("image_size", 16)):
            # 0 is the image size of data sets without images.
            if getattr(self, name) not in (None, 0 if name == "image_size" else None):
                check_count(name, getattr(self, name), least=least)
        check_count("fold", self.fold, least=0)
        if self.fold and self.fold >= dataset.folds:
            last = max(dataset.folds - 1, 0)
            raise InvalidParameterError("fold", f"from 0 to {last} for the data set {self.name!r}", self.fold)
        object.__setattr__(self, "options", dataset.check_options(self.options))
        if self.image_size is None:
            object.__setattr__(self, "image_size", dataset.image_size)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set that the name stands for."""
        return get_dataset(self.name, "name")


@dataclass(frozen=True)
class ModelConfig:
    """Section `[model]`.

    Parameters
    ----------
    name : str
        `facenet`, `vgg16`, `mlp`, or a factory as `package.module:callable`.
    weights : Path, optional
        Pretrained weights to begin from, safetensors or .pth; `imagenet` fetches those that are published for VGG-16.
    sha256 : str
        What the file's checksum begins with; empty for no check.
    frozen : str
        The module up to which the network is frozen, for example `features.23` (the fourth pooling of VGG-16); empty
        for none.
    fc_width : int
        Width of fc6 and fc7 of `vgg16`.
    cache : bool
        Compute what is frozen once, and keep it on disk.
    cache_dtype : {"float32", "float16", "bfloat16"}
    """

    name: str = "facenet"
    weights: Path | None = None
    sha256: str = ""
    frozen: str = ""
    fc_width: int = 4096
    cache: bool = True
    cache_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_count("fc_width", self.fc_width)
        check_choice("cache_dtype", self.cache_dtype, CACHE_DTYPES)

    def check_weights(self, parameter: str = "weights") -> None:
        """Refuse weights that cannot be, before a training: a run that is done can do without them.

        Raises
        ------
        InvalidParameterError
            Under the name `parameter`, if there is no such file, or it is of no kind that can be read.
        """
        if self.weights in (None, PUBLISHED):
            return
        expected = f"a file of pretrained weights ({', '.join(SUFFIXES)})"
        if self.weights.suffix not in SUFFIXES:
            raise InvalidParameterError(parameter, expected, str(self.weights))
        if not self.weights.is_file():
            raise InvalidParameterError(parameter, expected, str(self.weights), "There is none.")


@dataclass(frozen=True)
class MethodConfig:
    """Section `[method]`.

    Parameters
    ----------
    name : str
        A key of `deepgum.training.METHODS`, or the path `package.module:name` of a loss, which is imported when the
        training begins and not when the file is read.
    groups : {"sample", "landmark", "coordinate"}, optional
        Labels that are right or wrong together; by default as in the paper's experiment on the data set.
    options : dict
        Options of `DeepGUMOptions` to change, for methods with a mixture.
    schedule : dict
        Options of its schedule to change; a `name` begins with the defaults of that schedule.
    mixture : dict
        Settings of its mixture to change.
    """

    name: str = "deepgum"
    groups: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    mixture: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.groups is not None:
            check_choice("groups", self.groups, GROUPS)
        refuse_flat(self.options)
        for option in self.options:
            check_choice("options", option, OPTIONS)
        try:
            chosen = self.chosen()
        except InvalidParameterError as error:
            raise (error.within("options") if error.parameter in self.options else error) from None
        if chosen is None:
            return
        # Every default is written down, so that a run folder says what was done if a later version has other defaults.
        values = chosen.to_mapping()
        del values["groups"]
        sections = {name: values.pop(name) for name in ("schedule", "mixture")}
        sections["options"] = {name: value for name, value in values.items() if value is not None}
        for name, section in sections.items():
            object.__setattr__(self, name, section)

    @property
    def changes(self) -> dict[str, Any]:
        """The changes to the method's options, as `deepgum.training.train_method` takes them."""
        sections = {"schedule": self.schedule, "mixture": self.mixture}
        return self.options | {name: section for name, section in sections.items() if section}

    def chosen(self) -> DeepGUMOptions | None:
        """Return the options of the training; None if it is a training with one loss.

        Raises
        ------
        InvalidParameterError
            If there is no such method, or no such option, or for its value.
        """
        named = None if is_path(self.name) else get_method(self.name, "name")
        if named is None or named.options is None:
            if self.changes:
                section = next(name for name in ("options", "schedule", "mixture") if getattr(self, name))
                expected = f"empty: {self.name!r} trains with one loss"
                raise InvalidParameterError(section, expected, getattr(self, section))
            return None
        return named.with_changes("sample", self.changes)


@dataclass(frozen=True)
class CorruptionConfig:
    """Section `[corruption]`: what is done to training and validation labels, never to those of the test set.

    Parameters
    ----------
    noise : str
        A key of `deepgum.data.corruption.NOISES`.
    rate : float
        Share of labels that are made wrong, from 0 (none) to 1.
    missing : float
        Share of labels, right and wrong ones alike, that are deleted on top, from 0 (none) to below 1: landmarks as a
        whole, other coordinates one by one.
    """

    noise: str = "uniform"
    rate: float = 0.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        check_choice("noise", self.noise, NOISES)
        check_fraction("rate", self.rate)
        check_fraction("missing", self.missing, open_above=True)


@dataclass(frozen=True)
class RunConfig:
    """A run.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with; the message names the key and what it may be.

    Examples
    --------
    >>> config = RunConfig.from_mapping({"data": {"name": "digits"}, "training": {"patience": 3}})
    >>> config.method.name, config.training.patience
    ('deepgum', 3)
    >>> RunConfig.from_mapping({"data": {"name": "digits"}, "training": {"patiense": 3}})
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: ... Did you mean 'patience'?
    """

    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    corruption: CorruptionConfig = field(default_factory=CorruptionConfig)
    training: SGDOptions = field(default_factory=SGDOptions)
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("seed", self.seed, least=0)
        landmarks = self.measure.landmarks
        if NOISES[self.corruption.noise].of_landmarks and self.corruption.rate and not landmarks:
            hint = f"The targets of {self.data.name!r} are no points."
            raise InvalidParameterError("corruption.noise", "'uniform'", self.corruption.noise, hint)
        if self.data.pixels and not landmarks:
            hint = f"The targets of {self.data.name!r} are no points."
            raise InvalidParameterError("data.pixels", "false", True, hint)
        if self.method.groups == "landmark" and not landmarks:
            hint = f"The targets of {self.data.name!r} are no points."
            raise InvalidParameterError("method.groups", "'sample' or 'coordinate'", "landmark", hint)
        if self.method.groups is None:
            # Spelled out, as every other default is.
            method = replace(self.method, groups=self.data.dataset.groups)
            object.__setattr__(self, "method", method)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RunConfig:
        """Build a run from nested mappings, as TOML gives them."""
        built: RunConfig = build(cls, values)
        return built

    def to_mapping(self) -> dict[str, Any]:
        """Return nested mappings of plain values, without what is not set."""
        mapping: dict[str, Any] = plain(asdict(self))
        for section in ("schedule", "mixture"):
            if not mapping["method"][section]:
                del mapping["method"][section]
        return mapping

    @property
    def groups(self) -> str:
        """What is an outlier as a whole: as configured, or else as in the paper's experiment on the data set."""
        assert self.method.groups is not None
        return self.method.groups

    @property
    def measure(self) -> Measure:
        """Unit of the errors."""
        measure = self.data.dataset.measure_of(self.data.options)
        return measure.in_pixels() if self.data.pixels else measure

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, the same for runs that do the same, wherever their files are."""
        mapping = self.to_mapping()
        for section, keys in {"data": ("folder", "cache_dir"), "model": ("cache",), "training": ("device",)}.items():
            for key in keys:
                mapping[section].pop(key, None)
        for option in self.data.dataset.local_options:
            mapping["data"]["options"].pop(option, None)
        # A file is identified by its content, not by its place.
        if self.data.dataset.is_file and self.data.folder is not None and self.data.folder.is_file():
            mapping["data"]["content"] = _content(self.data.folder)
        if not self.data.pixels:
            # Named only where it is set: runs that were made before there was a choice keep their keys.
            del mapping["data"]["pixels"]
        mapping["method"] = {"name": self.method.name, "groups": self.groups, "options": self._key_options()}
        if not (self.model.frozen and self.model.cache):
            # Without a cache there are no numbers in it.
            mapping["model"]["cache_dtype"] = "float32"
        mapping["model"].pop("sha256")
        if self.model.weights is not None:
            mapping["model"]["weights"] = _content(self.model.weights)
        if not self.corruption.rate:
            mapping["corruption"] = {"missing": self.corruption.missing}
        if not self.corruption.missing:
            del mapping["corruption"]["missing"]
        mapping["data"]["options"] = original_options(self.data.name, mapping["data"]["options"])
        return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()[:16]

    def _key_options(self) -> dict[str, Any]:
        chosen = self.method.chosen()
        options = {} if chosen is None else key_options(chosen)
        return {name: value for name, value in options.items() if name != "groups" and value is not None}

    @property
    def stem(self) -> str:
        """A readable name for the run's folder."""
        noise = f"{self.corruption.noise}{self.corruption.rate:g}" if self.corruption.rate else "as-is"
        deleted = f"_missing{self.corruption.missing:g}" if self.corruption.missing else ""
        dataset = self.data.dataset
        method = self.method.name.replace(":", "-")
        fold = f"_fold{self.data.fold}" if dataset.folds else ""
        return f"{dataset.name}_{method}_{noise}{deleted}{fold}_seed{self.seed}_{self.digest}"


def _content(path: Path) -> str:
    """Return what a file holds, in a word; its name, where it is not there."""
    if not path.is_file():
        return path.name
    found = path.stat()
    return _hash(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hash(path: Path, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
