"""A finished run's network at work: predictions for new inputs, and scores on labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deepgum.checks import check_choice
from deepgum.data.crops import Square
from deepgum.data.pool import PARTS
from deepgum.data.regression import RegressionData
from deepgum.data.sets.measure import PIXELS
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import failure_rate
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.inputs import read_features, read_images
from deepgum.experiments.runs.network import Signature, load_network
from deepgum.experiments.runs.run_data import load_samples, load_subset
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.scoring import predict_labelled
from deepgum.experiments.runs.tables import Predictions
from deepgum.training import check_device

__all__ = ["Evaluation", "evaluate_run", "predict_inputs"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a network on labelled samples; MAE and RMSE in `unit`, `failure_rate` None without landmarks.

    `part` is "all" where no split left any out.
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
    """Score a finished run's network on its data set, or on another of the same format.

    Parameters
    ----------
    run : Path
        The run's folder.
    data : Path, optional
        The other data set's folder, or for a table its file.
    part : {"all", "train", "validation", "test"}, optional
        Which samples: of one part, split as the run's were, or all that there are. By default the test part of the
        run's own data set, and all of another.
    observer : Observer, optional
        Told of what is read.
    trust : bool
        Whether code outside the package that the run names may be imported.

    Raises
    ------
    UntrustedCodeError
        If the run names such code, and is not trusted.
    InvalidDataError
        If the run is not finished, its network does not fit the data, or these have no label to score by.
    UnknownNameError
        If there is no such part.
    InvalidParameterError
        If the other data set is not there.
    """
    if part is None:
        part = "test" if data is None else "all"
    check_choice("part", part, ("all", *PARTS))
    config = _finished(run, trust)
    if data is not None:
        if not data.exists():
            raise InvalidParameterError("data", "a folder or a table that is there", str(data))
        config = replace(config, data=replace(config.data, folder=data))
    network, signature = load_network(config, run)
    network.to(config.training.device)
    samples: tuple[RegressionData, ...]
    samples = load_samples(config, observer) if part == "all" else (getattr(load_subset(config, observer), part),)
    measure = config.measure
    for one in samples:
        _check_inputs(one, signature)
    predictions = _merged([predict_labelled(network, one, config.training, measure.factor) for one in samples])
    normaliser = torch.cat([one.normaliser for one in samples])
    errors = predictions.errors(landmarks=measure.landmarks)
    if np.isnan(errors).all():
        which = "" if part == "all" else f"{part} "
        raise InvalidDataError(
            f"The {which}samples should have a label to score by. Found {len(normaliser)} without any. "
            "`deepgum predict` needs none."
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


def predict_inputs(
    run: Path,
    inputs: Sequence[Path],
    *,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    observer: Observer | None = None,
    trust: bool = False,
) -> Predictions:
    """Predict for image files, folders of them, a table, or an .npz file of features.

    Images are shown whole, in the smallest square around them. Landmarks are in pixels of each image file, other
    targets in the unit of the labels. A table gets a row for each of its rows, in its order, under the ids that
    training on it gives them; an image file or one in a folder goes by its path, and is predicted for once.

    Raises
    ------
    UntrustedCodeError
        If the run names code outside the package, and `trust` is not set.
    InvalidDataError
        If the run is not finished, or the inputs do not fit its network.
    InvalidParameterError
        If an input is not there, or of no kind that can be read.
    MissingImagesError
        If a table's images are not there and `skip_missing` is not set.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set.
    """
    config = _finished(run, trust)
    network, signature = load_network(config, run)
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise InvalidParameterError("inputs", "files or folders that are there", missing[0])
    if len(signature.inputs) == 1:
        samples = read_features(inputs, config, signature)
        _check_inputs(samples, signature)
        return predict_labelled(network.to(config.training.device), samples, config.training)
    samples, files = read_images(
        inputs,
        config,
        signature,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        observer=observer or Observer(),
    )
    predictions = predict_labelled(network.to(config.training.device), samples, config.training)
    if not config.measure.landmarks:
        return predictions
    return _in_pixels(predictions, files, PIXELS if config.data.pixels else 1.0)


def _finished(run: Path, trust: bool) -> RunConfig:
    folder = RunFolder(run)
    folder.metrics()
    config = read_recorded(folder.config, trust=trust)
    try:
        check_device(config.training.device)
    except InvalidParameterError:
        # What was trained on an accelerator predicts without it.
        config = replace(config, training=replace(config.training, device="cpu"))
    return config


def _merged(parts: Sequence[Predictions]) -> Predictions:
    ids = tuple(name for part in parts for name in part.ids)
    predicted, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("predicted", "labels"))
    return Predictions(ids, parts[0].names, predicted, labels)


def _in_pixels(predictions: Predictions, files: Sequence[Path], width: float) -> Predictions:
    """Return landmarks in pixels of their image files; they are given in squares around these that are `width` wide."""
    points = predictions.predicted / width
    for row, file in enumerate(files):
        with Image.open(file) as image:
            left, top, side = Square.around(0, image.width, 0, image.height, scale=1)
        points[row, 0::2] = left + side * points[row, 0::2]
        points[row, 1::2] = top + side * points[row, 1::2]
    return replace(predictions, predicted=points)


def _check_inputs(data: RegressionData, signature: Signature) -> None:
    found = tuple(data.inputs.shape[1:])
    if found != signature.inputs:
        raise InvalidDataError(f"The network takes inputs of shape {signature.inputs}. Found {found}.")
    if len(data.target_names) != len(signature.targets):
        raise InvalidDataError(f"The network predicts {signature.targets}. The data's targets are {data.target_names}.")
