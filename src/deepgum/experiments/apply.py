"""A finished run's network at work: predictions for new inputs, and scores on labelled data."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from deepgum.checks import check_choice
from deepgum.data.columns import read_columns
from deepgum.data.crop_cache import CropPlan
from deepgum.data.crops import Square
from deepgum.data.listed_images import readable_crops
from deepgum.data.pool import PARTS
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, MissingImagesError, listing
from deepgum.evaluation import failure_rate
from deepgum.experiments.config import RunConfig
from deepgum.experiments.config_file import read_config
from deepgum.experiments.measure import PIXELS
from deepgum.experiments.network import Signature, load_network
from deepgum.experiments.observer import Observer
from deepgum.experiments.predictions import Predictions
from deepgum.experiments.run_data import load_subset
from deepgum.experiments.run_folder import RunFolder
from deepgum.experiments.scoring import predict_labelled
from deepgum.training import check_device

__all__ = ["Evaluation", "evaluate_run", "predict_inputs"]

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Evaluation:
    """Scores of a network on labelled samples; MAE and RMSE in `unit`, `failure_rate` None without landmarks."""

    dataset: str
    part: str
    samples: int
    unit: str
    mae: float
    rmse: float
    each: dict[str, float | None]
    failure_rate: float | None


def evaluate_run(
    run: Path, data: Path | None = None, part: str = "test", observer: Observer | None = None
) -> Evaluation:
    """Score a finished run's network on a part of its data set, or of another of the same format.

    Raises
    ------
    InvalidDataError
        If the run is not finished, or its network does not fit the data.
    UnknownNameError
        If there is no such part.
    """
    check_choice("part", part, PARTS)
    config = _finished(run)
    if data is not None:
        config = replace(config, data=replace(config.data, folder=data))
    network, signature = load_network(config, run)
    samples: RegressionData = getattr(load_subset(config, observer), part)
    _check_inputs(samples, signature)
    measure = config.measure
    predictions = predict_labelled(network.to(config.training.device), samples, config.training, measure.factor)
    errors = predictions.errors(landmarks=measure.landmarks)
    raw = predictions.predicted / measure.factor
    return Evaluation(
        dataset=config.data.name,
        part=part,
        samples=len(samples),
        unit=measure.unit,
        mae=float(np.nanmean(errors)),
        rmse=float(np.sqrt(np.nanmean(errors**2))),
        each=predictions.each(landmarks=measure.landmarks),
        failure_rate=failure_rate(raw, samples.targets, samples.normaliser).overall if measure.landmarks else None,
    )


def predict_inputs(
    run: Path, inputs: Sequence[Path], *, skip_unreadable: bool = False, observer: Observer | None = None
) -> Predictions:
    """Predict for image files, folders of them, a table, or an .npz file of features.

    Images are shown whole, in the smallest square around them. Landmarks are in pixels of each image file, other
    targets in the unit of the labels.

    Raises
    ------
    InvalidDataError
        If the run is not finished, or the inputs do not fit its network.
    InvalidParameterError
        If an input is not there, or of no kind that can be read.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set.
    """
    config = _finished(run)
    network, signature = load_network(config, run)
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise InvalidParameterError("inputs", "files or folders that are there", missing[0])
    if len(signature.inputs) == 1:
        if len(inputs) > 1 or inputs[0].is_dir():
            raise InvalidParameterError("inputs", "one table or .npz file of features", [str(path) for path in inputs])
        samples = _features(inputs[0], config, signature)
        _check_inputs(samples, signature)
        return predict_labelled(network.to(config.training.device), samples, config.training)
    files = _image_files(inputs, config)
    samples, files = _images(files, signature, skip_unreadable, config.data.cache_dir, observer or Observer())
    predictions = predict_labelled(network.to(config.training.device), samples, config.training)
    if not config.measure.landmarks:
        return predictions
    return _in_pixels(predictions, files, PIXELS if config.data.pixels else 1.0)


def _finished(run: Path) -> RunConfig:
    folder = RunFolder(run)
    folder.metrics()
    config = read_config(folder.config)
    try:
        check_device(config.training.device)
    except InvalidParameterError:
        # What was trained on an accelerator predicts without it.
        config = replace(config, training=replace(config.training, device="cpu"))
    return config


def _image_files(inputs: Sequence[Path], config: RunConfig) -> list[Path]:
    """Return the image files that the inputs are, hold or name."""
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in IMAGES and file.is_file())
            files += [file for file in found if not file.name.startswith(".")]
        elif path.suffix.lower() in TABLES:
            column = config.data.options.get("image") or "image"
            root = Path(config.data.options.get("root") or path.parent)
            files += [root / name.replace("\\", "/") for name in read_columns(path, [column]).texts(column)]
        else:
            files.append(path)
    if not files:
        given = ", ".join(str(path) for path in inputs)
        raise InvalidParameterError("inputs", f"image files ({', '.join(IMAGES)}), folders of them or a table", given)
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise MissingImagesError(f"{len(absent)} of {len(files)} images are not there: {listing(absent)}.")
    return list(dict.fromkeys(files))


def _images(
    files: list[Path], signature: Signature, skip_unreadable: bool, cache_dir: Path | None, observer: Observer
) -> tuple[RegressionData, list[Path]]:
    channels, size, _ = signature.inputs
    names = tuple(file.absolute().as_posix() for file in files)
    plan = CropPlan(Path(files[0].absolute().anchor), names, (None,) * len(files), size, channels == 3)
    crops, rows = readable_crops(plan, skip_unreadable, cache_dir, observer.reading)
    unknown = np.full((len(rows), len(signature.targets)), np.nan)
    ids = [str(files[row]) for row in rows]
    data = RegressionData.from_arrays(np.asarray(crops), unknown, ids=ids, target_names=signature.targets)
    return data, [files[row] for row in rows]


def _in_pixels(predictions: Predictions, files: Sequence[Path], width: float) -> Predictions:
    """Return landmarks in pixels of their image files; they are given in squares around these that are `width` wide."""
    points = predictions.predicted / width
    for row, file in enumerate(files):
        with Image.open(file) as image:
            left, top, side = Square.around(0, image.width, 0, image.height, scale=1)
        points[row, 0::2] = left + side * points[row, 0::2]
        points[row, 1::2] = top + side * points[row, 1::2]
    return replace(predictions, predicted=points)


def _features(path: Path, config: RunConfig, signature: Signature) -> RegressionData:
    """Read feature vectors from a table with the run's columns, or from the array "features" of an .npz file."""
    if path.suffix.lower() in TABLES:
        columns = config.data.options.get("features")
        if not columns:
            raise InvalidParameterError("inputs", "an .npz file, as the run was not trained on a table", str(path))
        table = read_columns(path, columns)
        features = np.stack([table.numbers(name, missing=False) for name in columns], axis=1).astype(np.float32)
        ids: Sequence[str] = [f"{path.stem}:{place}" for place in table.places]
    else:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                features = np.asarray(arrays["features"], dtype=np.float32)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InvalidDataError(f"'{path}' should hold an array 'features' of shape (n, p). {error}.") from error
        ids = [f"{path.stem}:{row}" for row in range(len(features))]
    unknown = np.full((len(features), len(signature.targets)), np.nan)
    return RegressionData.from_arrays(features, unknown, ids=ids, target_names=signature.targets)


def _check_inputs(data: RegressionData, signature: Signature) -> None:
    found = tuple(data.inputs.shape[1:])
    if found != signature.inputs:
        raise InvalidDataError(f"The network takes inputs of shape {signature.inputs}. Found {found}.")
    if len(data.target_names) != len(signature.targets):
        raise InvalidDataError(f"The network predicts {signature.targets}. The data's targets are {data.target_names}.")
