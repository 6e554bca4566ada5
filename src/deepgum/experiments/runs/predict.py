"""Predictions of the network of a finished run for new inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from deepgum.data.crops import Square
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
    observer: Observer | None = None,
    trust: bool = False,
) -> Predictions:
    """Predict the labels of image files, of folders of images, of a table, or of an .npz file of features.

    The network sees each whole image, in the smallest square around it. Landmarks are in pixels of the image file,
    other targets in the unit of the labels. The result has one row per row of a table, in the same order, with the same
    ids as in a training. The id of an image file is its path; each file is predicted once.

    Parameters
    ----------
    run : Path
        Folder of the run.
    inputs : sequence of Path
    skip_missing, skip_unreadable : bool
        Whether to leave out images that do not exist, or that cannot be decoded.
    observer : Observer, optional
        Its `reading` is called while images are read.
    trust : bool
        Whether code outside the package that the run names may be imported.

    Raises
    ------
    UntrustedCodeError
        If the run names such code, and `trust` is False.
    InvalidDataError
        If the run is not finished, or the inputs do not fit its network.
    InvalidParameterError
        If an input does not exist, or its format is unknown.
    MissingImagesError
        If images of a table do not exist and `skip_missing` is not set.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set.
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
    images, files = read_images(
        inputs,
        config,
        signature,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        observer=observer or Observer(),
    )
    predictions = trained.predict(images)
    if not config.measure.landmarks:
        return predictions
    return _in_pixels(predictions, files, PIXELS if config.data.pixels else 1.0)


def _in_pixels(predictions: Predictions, files: Sequence[Path], width: float) -> Predictions:
    """Convert landmarks from squares around the images, `width` wide, to pixels of the image files."""
    points = predictions.predicted / width
    for row, file in enumerate(files):
        with Image.open(file) as image:
            left, top, side = Square.around(0, image.width, 0, image.height, scale=1)
        points[row, 0::2] = left + side * points[row, 0::2]
        points[row, 1::2] = top + side * points[row, 1::2]
    return replace(predictions, predicted=points)
