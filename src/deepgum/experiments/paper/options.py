"""The options of a comparison: the grid of runs, and the settings that all runs share. They are checked when the object
is made.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from deepgum.checks import check_choice, check_count, check_fraction
from deepgum.data.corruption import NOISES
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import PIXELS, Measure
from deepgum.data.sets.registry import get_dataset, name_of
from deepgum.data.sets.request import Request, Subset
from deepgum.errors import InvalidParameterError, listing
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.records import RunKey
from deepgum.experiments.runs.config import ModelConfig
from deepgum.mixture.partition import NAMES
from deepgum.training import SGDOptions, get_method
from deepgum.training.flat_options import key_options
from deepgum.training.schedules import Interleaved

__all__ = ["CompareOptions"]

_GREY = ("lfw-net", "facenet")
"""The data set and the network with grey images, as in all recorded comparisons. Other images are in colour."""


@dataclass(frozen=True)
class CompareOptions:
    """The methods to compare, their data and their training.

    Parameters
    ----------
    dataset : str, Dataset or class
        The data set; see the parameter `name` of `deepgum.experiments.runs.config.DataConfig`. All options of the data
        set have their default values.
    data : Path, optional
        Folder of the data set. Some data sets need no folder.
    noises, rates, methods, seeds : tuples
        The grid of runs. Noises are keys of `deepgum.data.corruption.NOISES`. Methods are keys of
        `deepgum.training.METHODS` or paths of losses. Rates are in [0, 1].
    train_size, validation_size : int, optional
        Numbers of training and of validation samples. Validation samples are not part of the `train_size` training
        samples. By default all samples are used, a tenth of them for validation. If only `train_size` is given,
        `validation_size` is a ninth of `train_size`.
    image_size : int, optional
        Side of the images in pixels; by default the image size of the data set.
    groups : {"sample", "landmark", "coordinate"}, optional
        Which labels are right or wrong as one unit. By default as in the paper: landmarks for NGO and l-UGO, samples
        for g-UGO.
    model : ModelConfig or str
        The network. A string is the name of a network without pretrained weights and without a frozen part.
    missing : float
        Share of training and validation labels that are deleted in addition to the noise, in every run; see
        `deepgum.experiments.runs.config.CorruptionConfig`.
    pixels : bool
        True if landmarks are in pixels of an image that is 224 pixels wide, False if they are in fractions of the
        image's width; see `deepgum.experiments.runs.config.DataConfig`.
    sgd : SGDOptions
        Options of the training, the same for every method.
    skip_missing, skip_unreadable : bool
        Whether to leave out images that do not exist, or that cannot be decoded.
    cache_dir : Path, optional
        Folder for the cache of decoded images.

    Raises
    ------
    InvalidParameterError
        If a value is not valid. The message names the parameter and the value. For an unknown name, it suggests a known
        name.
    """

    dataset: str | Any = "lfw-net"
    data: Path | None = None
    noises: tuple[str, ...] = ("l-ugo",)
    rates: tuple[float, ...] = (0.4,)
    methods: tuple[str, ...] = ("l2", "cauchy", "deepgum", "oracle")
    seeds: tuple[int, ...] = (0,)
    train_size: int | None = None
    validation_size: int | None = None
    image_size: int | None = None
    groups: str | None = None
    model: ModelConfig | str = "facenet"
    sgd: SGDOptions = field(default_factory=SGDOptions)
    missing: float = 0.0
    pixels: bool = False
    skip_missing: bool = False
    skip_unreadable: bool = False
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.model, str):
            object.__setattr__(self, "model", ModelConfig(self.model))
        self.network.check_weights()
        source = get_dataset(self.dataset)
        object.__setattr__(self, "dataset", name_of(self.dataset))
        if source.needs_folder and self.data is None:
            raise InvalidParameterError("data", f"the folder of the data set {self.dataset!r}", None)
        source.check_options({})
        axes: tuple[tuple[str, tuple[Any, ...], Callable[[str, Any], object]], ...] = (
            ("noise", self.noises, lambda name, value: check_choice(name, value, NOISES)),
            ("rate", self.rates, check_fraction),
            ("methods", self.methods, lambda name, value: get_method(value, name)),
            ("seed", self.seeds, lambda name, value: check_count(name, value, least=0)),
        )
        for name, values, check in axes:
            for value in values:
                check(name, value)
            if not values or len(set(values)) < len(values):
                raise InvalidParameterError(name, "one or more values, each once", values)
        self._check_budget()
        check_fraction("missing", self.missing, open_above=True)
        if self.pixels and not source.measure.landmarks:
            raise InvalidParameterError("pixels", "False", True, f"The targets of {self.dataset!r} are not landmarks.")
        if not source.measure.landmarks:
            for noise in self.noises:
                if NOISES[noise].of_landmarks and any(self.rates):
                    hint = f"The targets of {self.dataset!r} are not landmarks."
                    raise InvalidParameterError("noise", "'uniform'", noise, hint)
        for name, least in (("train_size", 2), ("validation_size", 1), ("image_size", 16)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least=least)
        if self.groups is not None:
            check_choice("groups", self.groups, NAMES)

    def _check_budget(self) -> None:
        """Refuse a patience that would stop some methods early and others not."""
        sgd = self.sgd
        if sgd.is_constant or sgd.stops_after >= sgd.epochs_max:
            return
        chosen = {name: get_method(name).options for name in self.methods}
        never = [name for name, options in chosen.items() if options and isinstance(options.schedule, Interleaved)]
        others = [name for name in self.methods if name not in never]
        if never and others:
            hint = (
                f"With the schedule {sgd.schedule!r}, {listing(never)} trains for all epochs, and {listing(others)} "
                "would stop earlier."
            )
            expected = f"left out, or at least {sgd.epochs_max} epochs, so that all methods have the same budget"
            raise InvalidParameterError("patience", expected, sgd.patience, hint)

    @cached_property
    def source(self) -> Dataset:
        """The data set object that `dataset` names."""
        return get_dataset(self.dataset)

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that are the same for all runs and that change the results. The file `config.json` holds these
        settings.
        """
        sgd = self.sgd.effective
        # A comparison may be resumed on another device. Each record has the device of its run.
        del sgd["device"]
        return {
            "dataset": self.dataset,
            "train_size": self.train_size,
            "validation_size": self.validation_size,
            "image_size": self.image_size or self.source.image_size,
            "groups": self.groups,
            "model": _network_identity(self.network),
            "skip_missing": self.skip_missing,
            # These settings are added only if they are set, so that runs without them keep their keys.
            **({"skip_unreadable": True} if self.skip_unreadable else {}),
            **({"pixels": True} if self.pixels else {}),
            **({"missing": float(self.missing)} if self.missing else {}),
            **sgd,
        }

    @property
    def measure(self) -> Measure:
        """Unit of the errors."""
        measure = self.source.measure
        return measure.in_pixels() if self.pixels else measure

    @property
    def network(self) -> ModelConfig:
        """The configuration of the network."""
        assert isinstance(self.model, ModelConfig)
        return self.model

    def runs(self) -> list[RunKey]:
        """Return all runs of the grid. The runs of the first seed are first, because they are enough for a figure."""
        grid = itertools.product(self.seeds, self.noises, self.rates, self.methods)
        return [
            RunKey(method, noise, rate, seed, self.groups or NOISES[noise].unit, _choices(method), self.shared)
            for seed, noise, rate, method in grid
        ]

    def load(self, seed: int, observer: Observer) -> Subset:
        """Load the clean samples that a seed selects."""
        request = Request(
            folder=self.data,
            train_size=self.train_size,
            validation_size=self.validation_size,
            image_size=self.shared["image_size"],
            skip_missing=self.skip_missing,
            skip_unreadable=self.skip_unreadable,
            cache_dir=self.cache_dir,
            on_progress=observer.reading,
            colour=(self.dataset, self.network.name) != _GREY,
            options=self.source.options,
        )
        subset = self.source.load(request, seed)
        return subset.scaled(PIXELS) if self.pixels else subset


def _network_identity(model: ModelConfig) -> str | dict[str, Any]:
    """Return the identity of a network: the name, and all settings that differ from their defaults."""
    plain = ModelConfig(model.name)
    if replace(model, cache=plain.cache) == plain:
        return model.name
    values = {name: value for name, value in asdict(model).items() if value != getattr(plain, name) and name != "cache"}
    return {**values, "name": model.name, "weights": None if model.weights is None else model.weights.name}


def _choices(method: str) -> dict[str, Any]:
    """Return the choices that define a method, as JSON values. Label and description are not included, because they
    change no result.
    """
    named = get_method(method)
    # The path of a plug-in does not contain the parameters of its loss, so the loss itself is added.
    loss = named.loss if named.loss is None or isinstance(named.loss, str) else f"{method} {named.loss!r}"
    options = None if named.options is None else key_options(named.options)
    return {"loss": loss, "options": options, "oracle": named.oracle}
