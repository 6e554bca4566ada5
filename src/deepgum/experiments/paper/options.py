"""What a comparison is: the grid and the settings that all its runs share, checked at the door."""

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
from deepgum.errors import InvalidParameterError
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.records import RunKey
from deepgum.experiments.runs.config import ModelConfig
from deepgum.training import SGDOptions, get_method
from deepgum.training.flat_options import key_options

__all__ = ["CompareOptions"]

GROUPS = ("sample", "landmark", "coordinate")
_GREY = ("lfw-net", "facenet")
"""The data set and the network of recorded comparisons, which are made of grey images. All others are in colour."""


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and on what.

    Parameters
    ----------
    dataset : str, Dataset or class
        See the `name` of `deepgum.experiments.runs.config.DataConfig`. The data set's options have their defaults.
    data : Path, optional
        The data set's folder, for one that needs a folder.
    noises, rates, methods, seeds : tuples
        The grid. Names as in `deepgum.data.corruption.NOISES` and `deepgum.training.METHODS`, or paths of losses; rates
        in [0, 1].
    train_size, validation_size : int, optional
        Samples; by default all there are, one in ten for validation. Validation samples come on top of `train_size`,
        by default a ninth of it.
    image_size : int, optional
        Side of the images in pixels; by default the data set's own.
    groups : {"sample", "landmark", "coordinate"}, optional
        By default as in the paper: landmarks for NGO and l-UGO, samples for g-UGO.
    model : ModelConfig or str
        The network; a name alone stands for one without pretrained weights, trained as a whole.
    missing : float
        Share of training and validation labels that are deleted on top of the noise, in every run; see
        `deepgum.experiments.runs.config.CorruptionConfig`.
    pixels : bool
        Landmarks in pixels of an image 224 wide instead of fractions; see `deepgum.experiments.runs.config.DataConfig`.
    sgd : SGDOptions
        The same for every method.
    skip_missing, skip_unreadable : bool
        Go on without images that are not there, or that cannot be decoded.
    cache_dir : Path, optional
        Of the decoded crops.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with; the message names it, and for a name the nearest known one.
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
        check_fraction("missing", self.missing, open_above=True)
        if self.pixels and not source.measure.landmarks:
            raise InvalidParameterError("pixels", "False", True, f"The targets of {self.dataset!r} are no points.")
        if not source.measure.landmarks:
            for noise in self.noises:
                if NOISES[noise].of_landmarks and any(self.rates):
                    hint = f"The targets of {self.dataset!r} are no points."
                    raise InvalidParameterError("noise", "'uniform'", noise, hint)
        for name, least in (("train_size", 2), ("validation_size", 1), ("image_size", 16)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least=least)
        if self.groups is not None:
            check_choice("groups", self.groups, GROUPS)

    @cached_property
    def source(self) -> Dataset:
        """The data set that `dataset` stands for."""
        return get_dataset(self.dataset)

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that every run shares and that its result depends on: what `config.json` holds."""
        sgd = asdict(self.sgd)
        # The same experiment may go on elsewhere; each record says where its run was.
        del sgd["device"]
        return {
            "dataset": self.dataset,
            "train_size": self.train_size,
            "validation_size": self.validation_size,
            "image_size": self.image_size or self.source.image_size,
            "groups": self.groups,
            "model": _described(self.network),
            "skip_missing": self.skip_missing,
            # Named only where it is set: results without it keep their keys.
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
        """The network, under its one type."""
        assert isinstance(self.model, ModelConfig)
        return self.model

    def runs(self) -> list[RunKey]:
        """Every run of the grid: a seed after the other, so that what is done first is a whole figure."""
        grid = itertools.product(self.seeds, self.noises, self.rates, self.methods)
        return [
            RunKey(method, noise, rate, seed, self.groups or NOISES[noise].unit, _choices(method), self.shared)
            for seed, noise, rate, method in grid
        ]

    def load(self, seed: int, observer: Observer) -> Subset:
        """Load the clean samples of a seed."""
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


def _described(model: ModelConfig) -> str | dict[str, Any]:
    """What identifies a network: its name, and how it differs from one that is trained as a whole from nothing."""
    plain = ModelConfig(model.name)
    if replace(model, cache=plain.cache) == plain:
        return model.name
    values = {name: value for name, value in asdict(model).items() if value != getattr(plain, name) and name != "cache"}
    return {**values, "name": model.name, "weights": None if model.weights is None else model.weights.name}


def _choices(method: str) -> dict[str, Any]:
    """What a method's name stands for, as JSON values; its label and description make no difference to a run."""
    named = get_method(method)
    # The path alone would not say with which parameters the loss of a plug-in is made.
    loss = named.loss if named.loss is None or isinstance(named.loss, str) else f"{method} {named.loss!r}"
    options = None if named.options is None else key_options(named.options)
    return {"loss": loss, "options": options, "oracle": named.oracle}
