"""Measure the errors of the network of a finished run on labelled data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from deepgum.checks import check_choice
from deepgum.data.content import Content
from deepgum.data.pool import PARTS
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError
from deepgum.evaluation import failure_rate
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.run_data import content_of, load_samples, load_subset
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Predictions
from deepgum.experiments.runs.trained import TrainedRun

__all__ = ["Evaluation", "evaluate_run"]


@dataclass(frozen=True)
class Evaluation:
    """Errors of a network on labelled samples.

    Attributes
    ----------
    dataset : str
    part : str
        The part of the data set that was used, or "all".
    samples : int
    unit : str
        Unit of the errors.
    mae, rmse : float
    each : dict of str to float or None
        MAE of every landmark or coordinate: name -> MAE. None if there is no label.
    failure_rate : float or None
        Share of landmarks that are failures. None if the targets are not landmarks.
    """

    dataset: str
    part: str
    samples: int
    unit: str
    mae: float
    rmse: float
    each: dict[str, float | None]
    failure_rate: float | None


def evaluate_run(
    run: Path,
    data: Path | None = None,
    part: str | None = None,
    observer: Observer | None = None,
    *,
    trust: bool = False,
) -> Evaluation:
    """Measure the errors of the network of a finished run, on the data set of the run or on another data set.

    Parameters
    ----------
    run : Path
        Folder of the run.
    data : Path, optional
        Another data set in the same format: a folder, or the path of a table. By default the data set of the run.
    part : {"all", "train", "validation", "test"}, optional
        Samples to use. The data set is split in the same way as in the run. By default, the test part of the run's data
        set, or all samples of another data set.
    observer : Observer, optional
        The method `reading` of the observer is called while images are read.
    trust : bool
        Whether code outside the package may be imported, if the run names such code.

    Raises
    ------
    UntrustedCodeError
        If the run names code outside the package, and `trust` is False.
    InvalidDataError
        If the run is not finished, if the network does not fit the data, or if no sample has a label.
    UnknownNameError
        If the part is unknown.
    InvalidParameterError
        If the other data set does not exist.

    Warns
    -----
    DeepGUMWarning
        If the data of the run have changed since the training.
    """
    if part is None:
        part = "test" if data is None else "all"
    check_choice("part", part, ("all", *PARTS))
    trained = TrainedRun.load(run, trust=trust)
    config = trained.config
    if data is not None:
        if not data.exists():
            raise InvalidParameterError("data", "a folder or a table that exists", str(data))
        config = replace(config, data=replace(config.data, folder=data))
    samples: tuple[RegressionData, ...]
    if part == "all":
        samples = load_samples(config, observer, trained.signature)
    else:
        subset = load_subset(config, observer, trained.signature)
        samples = (getattr(subset, part),)
        if data is None:
            _warn_of_changes(run, subset)
    measure = config.measure
    for one in samples:
        trained.check_inputs(one)
    predictions = _joined([trained.predict(one, measure.factor) for one in samples])
    normaliser = torch.cat([one.normaliser for one in samples])
    errors = predictions.errors(landmarks=measure.landmarks)
    if np.isnan(errors).all():
        name = "" if part == "all" else f"{part} "
        raise InvalidDataError(
            f"The {name}samples should have labels. Found {len(normaliser)} samples without labels. "
            "`deepgum predict` needs no labels."
        )
    raw, labels = predictions.predicted / measure.factor, torch.cat([one.targets for one in samples])
    return Evaluation(
        dataset=config.data.dataset.name,
        part=part,
        samples=len(normaliser),
        unit=measure.unit,
        mae=float(np.nanmean(errors)),
        rmse=float(np.sqrt(np.nanmean(errors**2))),
        each=predictions.each(landmarks=measure.landmarks),
        failure_rate=failure_rate(raw, labels, normaliser).overall if measure.landmarks else None,
    )


def _warn_of_changes(run: Path, subset: Subset) -> None:
    """Give a warning if the data of a run have changed since the training."""
    kept = RunFolder(run).content
    changes = content_of(subset).changes(Content.read(kept)) if kept.is_file() else ""
    if changes:
        warnings.warn(
            f"The data have changed since the training of '{run}': {changes}. A test sample of today may be a training "
            "sample of the network.",
            DeepGUMWarning,
            stacklevel=3,
        )


def _joined(parts: Sequence[Predictions]) -> Predictions:
    ids = tuple(name for part in parts for name in part.ids)
    predicted, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("predicted", "labels"))
    return Predictions(ids, parts[0].names, predicted, labels)
