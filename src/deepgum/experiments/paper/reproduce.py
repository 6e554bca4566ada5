"""The paper's tables and figures as lists of runs. A run that several tables or figures need is trained once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum.checks import check_choice
from deepgum.data.sets.registry import DATASETS
from deepgum.errors import ComparisonError, DeepGUMError, InvalidParameterError
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.paper.scales import Scale
from deepgum.experiments.runs.config import CorruptionConfig, DataConfig, MethodConfig, ModelConfig, RunConfig
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_data import Data
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.title import Title
from deepgum.training import get_method

__all__ = ["ARTEFACTS", "Artefact", "Plan", "figure5_options", "find_data", "folders_of", "make_plan", "run_all"]

REGRESSIONS = ("l2", "huber", "biweight", "deepgum-paper")


@dataclass(frozen=True)
class Artefact:
    """A table or a figure of the paper.

    Attributes
    ----------
    description : str
    datasets : tuple of str
        Data sets from which the artefact can be made: first the data set of the paper, then data sets that can replace
        it.
    methods : tuple of str
        The methods of the paper, in the order of the paper. A scale may use another method instead of one of them.
    """

    description: str
    datasets: tuple[str, ...]
    methods: tuple[str, ...] = REGRESSIONS


ARTEFACTS: Mapping[str, Artefact] = MappingProxyType(
    {
        "table1": Artefact("fashion landmarks, MAE in pixels", ("fld",)),
        "table2": Artefact("head pose, MAE and RMSE over 7 folds", ("mcgill", "head-pose")),
        "figure2": Artefact("gradients of the losses; needs no data", ()),
        "figure3": Artefact("predicted fashion landmarks drawn on images", ("fld",), ("deepgum-paper",)),
        "figure4": Artefact(
            "age: MAE in years, and the images flagged as outliers",
            ("cacd", "utkface"),
            ("l2", "huber", "biweight", "dex", "dexgum", "deepgum-paper"),
        ),
        "figure5": Artefact(
            "facial landmarks under three noises and growing rates", ("lfw-net",), (*REGRESSIONS, "oracle")
        ),
    }
)
"""The artefacts of `deepgum reproduce`, by name."""


def find_data(artefact: str, data: Path, dataset: str | None = None) -> tuple[str, Path]:
    """Find a data set for an artefact in a folder or its subfolders. Return the pair (name of the data set, its
    folder).

    Raises
    ------
    UnknownNameError
        If the artefact cannot be made from `dataset`.
    InvalidParameterError
        If no data set is found.
    """
    known = ARTEFACTS[check_choice("artefact", artefact, ARTEFACTS)].datasets
    wanted = known if dataset is None else (check_choice("dataset", dataset, known),)
    places = [data, *sorted(place for place in data.glob("*") if place.is_dir())] if data.is_dir() else []
    for name, place in itertools.product(wanted, places):
        if DATASETS[name].detect(place):
            return name, place
    raise InvalidParameterError("data", f"a folder with the data set {' or '.join(map(repr, wanted))}", str(data))


@dataclass(frozen=True)
class Plan:
    """The runs that an artefact needs on one data set, at one rate of wrong labels.

    Attributes
    ----------
    artefact, dataset : str
    seed : int
    rate : float
        Share of training and validation labels that are replaced by uniform random labels. With 0, no label is changed.
    runs : tuple of RunConfig
    differences : Mapping
        Settings that the scale changes: name of the setting -> (value in the paper, value here).
    """

    artefact: str
    dataset: str
    rate: float
    seed: int
    runs: tuple[RunConfig, ...]
    differences: Mapping[str, tuple[Any, Any]]


def make_plan(
    artefact: str,
    dataset: str,
    folder: Path,
    scale: Scale,
    *,
    rate: float = 0.0,
    seed: int = 0,
    methods: Sequence[str] | None = None,
    weights: Path | None = None,
    clothes: str = "upper",
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: Path | None = None,
) -> Plan:
    """Return the plan with the runs that an artefact needs.

    Raises
    ------
    InvalidParameterError
        If a value is not valid.
    """
    kind = DATASETS[dataset]
    features = not kind.has_images(kind.options)
    model, sgd = (scale.features, scale.features_sgd) if features else (scale.images, scale.sgd)
    if model.name == "vgg16":
        model = _with_weights(model, weights)
    data = DataConfig(
        name=dataset,
        folder=folder,
        image_size=None if features else scale.image_size,
        train_size=scale.train_sizes.get(dataset),
        pixels=scale.pixels and kind.measure.landmarks,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        options={"clothes": clothes} if "clothes" in kind.options else {},
    )
    names = methods or scale.methods(ARTEFACTS[artefact].methods)
    for name in names:
        get_method(name)
    runs = tuple(
        RunConfig(
            data=replace(data, fold=fold),
            model=model,
            method=MethodConfig(name, options=dict(scale.method_options.get(name, {}))),
            corruption=CorruptionConfig("uniform", rate),
            training=sgd,
            seed=seed,
        )
        for fold, name in itertools.product(range(max(1, kind.folds)), names)
    )
    differences = scale.differences("features" if features else "images", dataset)
    return Plan(artefact, dataset, rate, seed, runs, differences)


def figure5_options(
    folder: Path,
    scale: Scale,
    *,
    noises: tuple[str, ...],
    rates: tuple[float, ...],
    methods: tuple[str, ...] | None,
    seeds: tuple[int, ...],
    weights: Path | None = None,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: Path | None = None,
) -> CompareOptions:
    """Return the options of the comparison from which Figure 5 is drawn, at a scale and with all faces of the data set.

    Raises
    ------
    InvalidParameterError
        If a value is not valid.
    """
    model = _with_weights(scale.faces, weights) if scale.faces.name == "vgg16" else scale.faces
    return CompareOptions(
        dataset="lfw-net",
        data=folder,
        noises=noises,
        rates=rates,
        methods=methods or scale.methods(ARTEFACTS["figure5"].methods),
        seeds=seeds,
        image_size=scale.faces_size,
        pixels=scale.pixels,
        model=model,
        sgd=scale.faces_sgd,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
    )


def _with_weights(model: ModelConfig, weights: Path | None) -> ModelConfig:
    if weights is None:
        raise InvalidParameterError(
            "weights",
            "a file of VGG-16's pretrained weights, or 'imagenet' to download the published weights",
            None,
            "The paper fine-tunes a network that was trained on ImageNet.",
        )
    model = replace(model, weights=weights)
    model.check_weights()
    return model


def folders_of(plans: Sequence[Plan], out: Path) -> dict[str, RunFolder]:
    """Return the folders of all runs: digest of a run -> folder. A run that several plans need has one folder."""
    return {config.digest: RunFolder(out / "runs" / config.stem) for plan in plans for config in plan.runs}


def run_all(plans: Sequence[Plan], out: Path, observer: Observer | None = None) -> dict[str, RunFolder]:
    """Train the runs that are not finished, and return the folders of all runs: digest of a run -> folder.

    A run that several plans need is trained once. If a run fails, the others continue.

    Raises
    ------
    ComparisonError
        If a run failed, or if its folder holds results of other data. The error is raised after all other runs. Its
        records are the digests of the finished runs.
    """
    observer, data = observer or Observer(), Data()
    runs = list({config.digest: config for plan in plans for config in plan.runs}.values())
    folders = folders_of(plans, out)
    done = {digest for digest, folder in folders.items() if folder.metrics_file.is_file()}
    observer.started(len(runs), len(done))
    failed, finished = [], []
    for number, config in enumerate(runs, start=1):
        try:
            run(config, folders[config.digest].path, observer, data, number)
            finished.append(config.digest)
        except DeepGUMError as error:
            failed.append(f"{config.stem}: {error}")
            observer.run_failed(Title.of(config), error)
    if failed:
        raise ComparisonError(f"{len(failed)} of the {len(runs)} runs failed. {' '.join(failed)}", finished)
    return folders
