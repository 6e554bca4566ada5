"""The configuration of a run: data, model, method, corruption, training and seed. It is checked when the object is
made.
"""

from __future__ import annotations

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
from deepgum.experiments.runs.key import key_of
from deepgum.mixture.partition import NAMES
from deepgum.models.weights import SUFFIXES
from deepgum.plugins import is_path
from deepgum.storage.nested import build, plain
from deepgum.training import DeepGUMOptions, SGDOptions, get_method
from deepgum.training.flat_options import refuse_flat

__all__ = ["CorruptionConfig", "DataConfig", "MethodConfig", "ModelConfig", "RunConfig"]

OPTIONS = tuple(each.name for each in fields(DeepGUMOptions) if each.name not in ("groups", "schedule", "mixture"))
PUBLISHED = Path("imagenet")
CACHE_DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class DataConfig:
    """Section `[data]`.

    Parameters
    ----------
    name : str, Dataset or class
        A key of `deepgum.data.sets.registry.DATASETS` (`csv` is another name for `table`), or a user's data set. A
        user's data set is an object of `deepgum.data.Dataset`, its class, or its path "package.module:name". An object
        or a class is stored as its path.
    folder : Path, optional
        Folder of the data set, or path of a CSV or Parquet file if `name` is "table". A relative path starts at the
        working folder.
    image_size : int, optional
        Side of the images in pixels; by default the image size of the data set.
    colour : bool
        Whether images have three channels, if the data set can be read both in grey and in colour.
    train_size, validation_size, test_size : int, optional
        Numbers of samples. For CACD, `validation_size` and `test_size` are numbers of celebrities. The defaults depend
        on the data set.
    fold : int
        Number of the fold that is the test set, if the data set has folds.
    skip_missing, skip_unreadable : bool
        Whether to leave out images that do not exist, or that cannot be decoded.
    cache_dir : Path, optional
        Folder for the cache of decoded images and of outputs of frozen trunks.
    pixels : bool
        True if landmarks are in pixels of an image that is 224 pixels wide, as in the paper. False if they are in
        fractions of the image's side. The steps of plain SGD depend on the unit, so a learning rate is valid for one
        unit only.
    options : dict
        Options of the data set `name`, for example the columns of a table.
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
            # Data sets without images have the image size 0.
            if getattr(self, name) not in (None, 0 if name == "image_size" else None):
                check_count(name, getattr(self, name), least=least)
        check_count("fold", self.fold, least=0)
        has_column = dataset.name == "table" and self.options.get("part")  # the table tells the number of folds
        if self.fold and self.fold >= dataset.folds and not has_column:
            last = max(dataset.folds - 1, 0)
            raise InvalidParameterError("fold", f"from 0 to {last} for the data set {self.name!r}", self.fold)
        object.__setattr__(self, "options", dataset.check_options(self.options))
        if self.image_size is None:
            object.__setattr__(self, "image_size", dataset.image_size)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set object that `name` names."""
        return get_dataset(self.name, "name")

    @property
    def has_images(self) -> bool:
        """Whether the inputs are images, and not features."""
        return self.dataset.has_images(self.options)


@dataclass(frozen=True)
class ModelConfig:
    """Section `[model]`.

    Parameters
    ----------
    name : str
        `facenet`, `vgg16`, `mlp`, a network of a package (`efficientnet-lite0`, `torchvision:NAME`, `timm:NAME`), or a
        factory as `package.module:callable`.
    weights : Path, optional
        File of pretrained weights (.safetensors or .pth). The word `imagenet` means the published weights of VGG-16,
        which are downloaded.
    sha256 : str
        First digits of the SHA-256 of the file of weights. If empty, the file is not checked.
    frozen : str
        Last module of the frozen part of the network, for example `features.23` (the fourth pooling of VGG-16). If
        empty, the whole network is trained.
    fc_width : int
        Width of fc6 and fc7 of `vgg16`.
    output : str or int, optional
        Key, field or position of the predictions in the outputs of a network that gives several tensors; see
        `deepgum.models.OutputOf`. By default, the one tensor that has the shape of the labels.
    cache : bool
        Whether to compute the outputs of the frozen part only once, and to keep these outputs on the disk.
    cache_dtype : {"float32", "float16", "bfloat16"}
        Number format of the outputs on the disk.
    """

    name: str = "facenet"
    weights: Path | None = None
    sha256: str = ""
    frozen: str = ""
    fc_width: int = 4096
    output: str | int | None = None
    cache: bool = True
    cache_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_count("fc_width", self.fc_width)
        check_choice("cache_dtype", self.cache_dtype, CACHE_DTYPES)

    def check_weights(self, parameter: str = "weights") -> None:
        """Check that the file of weights exists. Only a training needs this file.

        Raises
        ------
        InvalidParameterError
            If the file does not exist, or does not end in .safetensors or .pth. The message names `parameter`.
        """
        if self.weights in (None, PUBLISHED):
            return
        expected = f"a file of pretrained weights ({', '.join(SUFFIXES)})"
        if self.weights.suffix not in SUFFIXES:
            raise InvalidParameterError(parameter, expected, str(self.weights))
        if not self.weights.is_file():
            raise InvalidParameterError(parameter, expected, str(self.weights), "There is no such file.")


@dataclass(frozen=True)
class MethodConfig:
    """Section `[method]`.

    Parameters
    ----------
    name : str
        A key of `deepgum.training.METHODS`, or the path `package.module:name` of a loss. The loss is imported when the
        training starts, not when the file is read.
    groups : {"sample", "landmark", "coordinate"}, optional
        Which labels are right or wrong as one unit. By default as in the paper's experiment on the data set.
    options : dict
        Options of a method with a mixture that differ from the defaults: fields of `DeepGUMOptions`.
    schedule : dict
        Settings of the schedule that differ from the defaults. The key `name` selects another schedule, which has its
        own defaults.
    mixture : dict
        Settings of the mixture that differ from the defaults.
    """

    name: str = "deepgum"
    groups: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    mixture: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.groups is not None:
            check_choice("groups", self.groups, NAMES)
        refuse_flat(self.options)
        for option in self.options:
            check_choice("options", option, OPTIONS)
        try:
            chosen = self.chosen()
        except InvalidParameterError as error:
            raise (error.within("options") if error.parameter in self.options else error) from None
        if chosen is None:
            return
        # All defaults are stored, so that the run stays the same if a later version has other defaults.
        values = chosen.to_mapping()
        del values["groups"]
        sections = {name: values.pop(name) for name in ("schedule", "mixture")}
        sections["options"] = {name: value for name, value in values.items() if value is not None}
        for name, section in sections.items():
            object.__setattr__(self, name, section)

    @property
    def changes(self) -> dict[str, Any]:
        """The options of the method that differ from the defaults, for `deepgum.training.train_method`."""
        sections = {"schedule": self.schedule, "mixture": self.mixture}
        return self.options | {name: section for name, section in sections.items() if section}

    def chosen(self) -> DeepGUMOptions | None:
        """Return the options of a method with a mixture, or None for a method that only minimises a loss.

        Raises
        ------
        InvalidParameterError
            If the method or an option is unknown, or a value is not valid.
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
    """Section `[corruption]`: the corruption of training labels and validation labels. Test labels stay clean.

    Parameters
    ----------
    noise : str
        A key of `deepgum.data.corruption.NOISES`.
    rate : float
        Share of labels that are made wrong, from 0 (none) to 1.
    missing : float
        Share of labels that are deleted in addition, from 0 (none) to below 1. Right and wrong labels are deleted:
        whole landmarks if the targets are landmarks, otherwise single coordinates.
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
    """The configuration of a run. Each attribute is a section of the TOML file.

    Raises
    ------
    InvalidParameterError
        If a value is not valid. The message names the key and the valid values.

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
            hint = f"The targets of {self.data.name!r} are not landmarks."
            raise InvalidParameterError("corruption.noise", "'uniform'", self.corruption.noise, hint)
        if self.data.pixels and not landmarks:
            hint = f"The targets of {self.data.name!r} are not landmarks."
            raise InvalidParameterError("data.pixels", "false", True, hint)
        if self.method.groups == "landmark" and not landmarks:
            hint = f"The targets of {self.data.name!r} are not landmarks."
            raise InvalidParameterError("method.groups", "'sample' or 'coordinate'", "landmark", hint)
        if self.method.groups is None:
            # Like all defaults, the groups are stored.
            method = replace(self.method, groups=self.data.dataset.fit_groups(self.data.options))
            object.__setattr__(self, "method", method)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RunConfig:
        """Build the configuration of a run from the nested mappings of a TOML file."""
        built: RunConfig = build(cls, values)
        return built

    def to_mapping(self) -> dict[str, Any]:
        """Return the configuration as nested mappings of plain values. Keys that are not set are left out."""
        mapping: dict[str, Any] = plain(asdict(self))
        for section in ("schedule", "mixture"):
            if not mapping["method"][section]:
                del mapping["method"][section]
        return mapping

    @property
    def groups(self) -> str:
        """The labels that are right or wrong as one unit: "sample", "landmark" or "coordinate"."""
        assert self.method.groups is not None
        return self.method.groups

    @property
    def measure(self) -> Measure:
        """Unit of the errors."""
        measure = self.data.dataset.measure_of(self.data.options)
        return measure.in_pixels() if self.data.pixels else measure

    @property
    def digest(self) -> str:
        """The key of the run; see `deepgum.experiments.runs.key`."""
        return key_of(self)

    @property
    def stem(self) -> str:
        """A readable name for the folder of the run."""
        noise = f"{self.corruption.noise}{self.corruption.rate:g}" if self.corruption.rate else "as-is"
        deleted = f"_missing{self.corruption.missing:g}" if self.corruption.missing else ""
        dataset = self.data.dataset
        method = self.method.name.replace(":", "-")
        fold = f"_fold{self.data.fold}" if dataset.folds else ""
        return f"{dataset.name}_{method}_{noise}{deleted}{fold}_seed{self.seed}_{self.digest}"
