"""Predictions for new inputs, made with the network of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepgum.data.keypoint_images import image_sizes
from deepgum.data.pictures import Pictures
from deepgum.data.point_units import pixels_per_unit
from deepgum.data.sets.measure import PIXELS
from deepgum.errors import InvalidParameterError
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.inputs import read_features, read_images
from deepgum.experiments.runs.tables import Predictions
from deepgum.experiments.runs.trained import TrainedRun

__all__ = ["predict_inputs"]


def predict_inputs(
    run: Path,
    inputs: Sequence[Path],
    *,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    apply_orientation: bool = False,
    observer: Observer | None = None,
    trust: bool = False,
) -> Predictions:
    """Predict labels for image files, folders of images, a table, or an .npz file of features.

    The network sees the smallest square around each whole image, or around the box of each row if it was trained on
    boxes. Predicted landmarks are in pixels of the image file, or in the unit in `coordinates` of the run, and other
    predictions in the unit of the labels. If the input is a table, the predictions are in the order of the rows,
    with the same ids as in a training. The id of an image file is its path, and there is one prediction per file.

    Parameters
    ----------
    run : Path
        Folder of the run.
    inputs : sequence of Path
    skip_missing, skip_unreadable : bool
        Whether to leave out images that do not exist, or that cannot be decoded.
    apply_orientation : bool
        Whether to turn images as their files say (EXIF). This is always so if the run was trained on turned images.
        Predicted landmarks then are in pixels of the turned images.
    observer : Observer, optional
        The method `reading` of the observer is called while images are read.
    trust : bool
        Whether code outside the package may be imported, if the run names such code.

    Raises
    ------
    UntrustedCodeError
        If the run names code outside the package, and `trust` is False.
    InvalidDataError
        If the run is not finished, or if the inputs do not fit the network.
    InvalidParameterError
        If an input does not exist, or if the format of an input is unknown.
    MissingImagesError
        If images of a table do not exist, and `skip_missing` is False.
    UnreadableImagesError
        If images cannot be decoded, and `skip_unreadable` is False.
    """
    trained = TrainedRun.load(run, trust=trust)
    config, signature = trained.config, trained.signature
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise InvalidParameterError("inputs", "files or folders that exist", missing[0])
    if len(signature.inputs) == 1:
        features = read_features(inputs, config, signature)
        trained.check_inputs(features)
        return trained.predict(features)
    turned = apply_orientation or bool(config.data.options.get("apply_orientation"))
    images = read_images(
        inputs,
        config,
        signature,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        apply_orientation=turned,
        observer=observer or Observer(),
    )
    predictions = trained.predict(images)
    if not config.measure.landmarks:
        return predictions
    assert images.pictures is not None
    unit = config.data.options.get("coordinates", "")
    return _in_unit(predictions, images.pictures, PIXELS if config.data.pixels else 1.0, unit)


def _in_unit(predictions: Predictions, pictures: Pictures, width: float, unit: str) -> Predictions:
    """Convert predicted landmarks from coordinates in the squares of the pictures to the unit of the labels in files.

    In the unit of the predictions, the side of each square is `width`. `unit` is one of
    `deepgum.data.point_units.UNITS`, or empty for pixels.
    """
    points = predictions.predicted / width
    sizes = image_sizes(pictures.folder, pictures.names, pictures.reading)
    scale = pixels_per_unit(unit, sizes)
    for row in range(len(pictures)):
        left, top, side = pictures.square(row)
        points[row, 0::2] = (left + side * points[row, 0::2]) / scale[row, 0]
        points[row, 1::2] = (top + side * points[row, 1::2]) / scale[row, 1]
    return replace(predictions, predicted=points)
