"""The base class of the keypoint files: formats that store keypoints of instances in images.

A format gives `read`, `detect` and `annotations`. Everything else is here: the images, one square crop per instance,
the targets in fractions of the side of the crop, and the rules for mirrored images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum.data.crop_cache import CropPlan
from deepgum.data.crops import Square
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.image_reading import ImageReading, ImageSurvey
from deepgum.data.instance_squares import instance_squares
from deepgum.data.keypoint_images import (
    check_places,
    check_sizes,
    find_images,
    folder_of_images,
    image_sizes,
)
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints, left_right_pairs, placed
from deepgum.data.listed_images import load_pool, present_rows
from deepgum.data.mirror import Mirror
from deepgum.data.orientation import orientation_notice
from deepgum.data.pool import Pool
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request
from deepgum.data.swap_pairs import SWAPS, swap_pairs_of
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["KeypointAnnotations", "KeypointFile", "NewPoint"]

Values = NDArray[np.float64]

LEAST_LABELS = 10
"""A keypoint with fewer labels is left out: a fold may have none of them, and nothing can be told about them."""


class NewPoint(NamedTuple):
    """A keypoint that gets another place: row of the instance, number of the keypoint, and the places before and after.

    A place is (x, y) in pixels of the image, or None for a keypoint without a label.
    """

    row: int
    keypoint: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class KeypointAnnotations(Annotations):
    """The keypoints of a file, in pixels of the images. A format adds `write`.

    If one coordinate of a keypoint is missing, the whole keypoint is missing.
    """

    keeps_missing = True
    is_folder = False

    keypoints: Keypoints = field(kw_only=True)
    files: Mapping[str, str] = field(kw_only=True)
    """Image file of each instance, relative to the folder of the images, by the id of the instance."""

    def image_file(self, name: str) -> str:
        """Return the image file of the instance with this id, relative to the folder of the images."""
        return self.files.get(name, name)

    def new_points(self, changes: Changes) -> Iterator[NewPoint]:
        """Yield the keypoints that the changes move, remove or add."""
        for name, labels in changes.items():
            row = self.rows[name]
            pairs = zip(self.keypoints.points[row], labels.reshape(-1, 2), strict=True)
            for keypoint, (old, new) in enumerate(pairs):
                before, after = _place(old), _place(new)
                if before != after:
                    yield NewPoint(row, keypoint, before, after)


def _place(point: Values) -> tuple[float, float] | None:
    return None if np.isnan(point).any() else (float(point[0]), float(point[1]))


class KeypointFile(Dataset):
    """A file of keypoints, beside a folder of images.

    A subclass defines `name`, `read`, `detect` and `annotations`, and adds its own options to these options.

    Attributes
    ----------
    annotations : class
        The subclass of `KeypointAnnotations` that writes files of this format.
    content : str
        What a file of this format has, for messages: "labels of DeepLabCut".
    output : str
        The name of a file of predictions in an example of a command.
    has_own_predictions : bool
        Whether a file may have the predictions of a model beside the labels.

    Options
    -------
    images : str
        Folder of the images; by default the folder of the file, or the folder ``images`` beside it.
    swap_pairs : list of pairs of int
        Pairs of left and right keypoints, counted from 0; by default the pairs that the file or the names of the
        keypoints show. Images are mirrored in training if there are such pairs.
    apply_orientation : bool
        Whether images are turned as their files note it (EXIF). Keypoints then belong to the turned images.
    """

    image_size = 64
    is_file = True
    groups = "landmark"
    measure = Measure("of the crop's side")
    options = MappingProxyType({"images": "", "swap_pairs": [], "apply_orientation": False})
    choices = MappingProxyType({"swap_pairs": SWAPS})
    local_options: ClassVar[tuple[str, ...]] = ("images",)

    annotations: ClassVar[type[KeypointAnnotations]]
    content: ClassVar[str] = "keypoints"
    output: ClassVar[str] = "PREDICTIONS"
    has_own_predictions: ClassVar[bool] = False

    @abstractmethod
    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read a file of this format.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the file does not exist or is malformed.
        """

    def keypoints(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read a file, and apply the options that all formats have.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `read`. Also if a pair of `swap_pairs` is not two keypoints.
        """
        if not path.exists():
            raise InvalidParameterError(
                "data", f"a file of keypoints ({self.name})", str(path), "There is no such path."
            )
        found = self.read(path, options)
        pairs = swap_pairs_of(options.get("swap_pairs") or (), found.targets) or found.swap_pairs
        pairs = pairs or left_right_pairs(found.names)
        _mirror(pairs, len(found.names))
        return replace(found, swap_pairs=tuple((int(one), int(other)) for one, other in pairs))

    def usable(self, keypoints: Keypoints) -> Keypoints:
        """Return the keypoints that have enough labels to be learned and judged, with a notice on the others.

        If all of them have few labels, all are returned.
        """
        labels = placed(keypoints.points).sum(axis=0)
        chosen = np.flatnonzero(labels >= LEAST_LABELS).tolist()
        if len(chosen) in (0, len(labels)):
            return keypoints
        rare = [f"{name} ({n})" for name, n in zip(keypoints.names, labels, strict=True) if n < LEAST_LABELS]
        notice = f"Keypoints with fewer than {LEAST_LABELS} labels are left out: {listing(rare)}."
        return replace(keypoints.select(chosen), notices=(*keypoints.notices, notice))

    def known(self, keypoints: Keypoints, targets: Sequence[str], path: Path) -> Keypoints:
        """Return the keypoints whose coordinates have these names, in their order, however few labels they have.

        Raises
        ------
        InvalidDataError
            If one of them is not in the file.
        """
        places = {name: place // 2 for place, name in enumerate(keypoints.targets)}
        lacking = [name for name in targets if name not in places]
        if lacking:
            raise InvalidDataError(
                f"'{path}' should have the keypoints that the network predicts: {listing(targets)}. It has no "
                f"{listing(lacking)}; it has {listing(keypoints.names)}."
            )
        return keypoints.select([places[name] for name in targets[::2]])

    def files(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
        """Return the folder of the images, and the image file of each instance relative to this folder.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the folder does not exist, or two names of images lead to the same file.
        """
        folder = folder_of_images(path, keypoints.images, options["images"])
        found = find_images(folder, keypoints.images)
        return folder, tuple(found[name] for name in keypoints.images)

    def prepare(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> None:
        """Make the image files that `files` names, if the format has images in another form; by default do nothing.

        Only a loader of images needs them: scores and corrections do without.
        """

    def check_predictions(self, predictions: Path) -> None:
        """Check that there is a file of predictions; a folder, if the labels of the format are a folder.

        Raises
        ------
        InvalidParameterError
            If there is none.
        """
        if not (predictions.exists() if self.is_file else predictions.is_dir()):
            expected = f"the {'file' if self.is_file else 'folder'} that a model has written ({self.output})"
            hint = f"There is no such {'file' if self.is_file else 'folder'}."
            raise InvalidParameterError("predictions", expected, str(predictions), hint)

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read the predictions of a model for the instances of a file.

        Parameters
        ----------
        predictions : Path
            File of the predictions.
        path : Path
            The keypoint file.
        keypoints : Keypoints
            The content of the keypoint file.
        options : mapping

        Raises
        ------
        InvalidDataError
            If the file of predictions cannot be read. Also if the subclass does not define this method.
        """
        raise InvalidDataError(f"Predictions for files of the format {self.name!r} cannot be read.")

    def labels(self, path: Path, options: Mapping[str, Any]) -> KeypointAnnotations:
        """Read the labels of a file, so that they can be written with corrections.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `keypoints` and `files`.
        """
        keypoints = self.keypoints(path, options)
        _, files = self.files(path, keypoints, options)
        return self.annotations(
            source=path,
            ids=keypoints.ids,
            names=keypoints.targets,
            values=keypoints.values,
            keypoints=keypoints,
            files=dict(zip(keypoints.ids, files, strict=True)),
        )

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the instances in the order of the file, each in a square crop of its image.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `keypoints` and `files`. Also if an image has another size than the file states.
        MissingImagesError, UnreadableImagesError
            See `deepgum.data.listed_images`.
        """
        every = self.keypoints(request.path, request.options)
        keypoints = self.known(every, request.targets, request.path) if request.targets else self.usable(every)
        self.prepare(request.path, keypoints, request.options)
        folder, files = self.files(request.path, keypoints, request.options)
        hint = "Give the folder of the images: --images DIR (options.images)."
        rows = present_rows(folder, {request.path.name: files}, request.skip_missing, hint)[request.path.name]
        names = [files[row] for row in rows]
        assert keypoints.sizes is not None
        assert keypoints.together is not None
        reading = ImageReading(request.options["apply_orientation"])
        every_size = image_sizes(folder, files, reading)  # also of missing images: squares depend on all instances
        every_square = instance_squares(keypoints.points, keypoints.boxes, every_size)
        sizes, squares = every_size[rows], [every_square[row] for row in rows]
        check_sizes(names, keypoints.sizes[rows], sizes)
        points = keypoints.points[rows]
        outside = check_places(points, sizes)

        def notices(survey: ImageSurvey) -> list[str]:
            known = {row: (int(size[0]), int(size[1])) for row, size in enumerate(sizes) if not np.isnan(size[0])}
            oriented = orientation_notice(
                names,
                sorted(survey.orientations),
                applied=reading.apply_orientation,
                points=points.reshape(len(rows), -1),
                sizes=known,
            )
            return [*keypoints.notices, *filter(None, [oriented, outside])]

        pool = load_pool(
            CropPlan(folder, tuple(names), tuple(squares), request.image_size, request.colour, reading),
            _fractions(points, squares).reshape(len(rows), -1),
            keypoints.targets,
            mirror=_mirror(keypoints.swap_pairs, len(keypoints.names)),
            ids=[keypoints.ids[row] for row in rows],
            keep_together=[keypoints.together[row] for row in rows],
            skip_unreadable=request.skip_unreadable,
            cache_dir=request.cache_dir,
            on_progress=request.on_progress,
            notices=notices,
        )
        return replace(pool, data=replace(pool.data, skeleton=keypoints.skeleton))


def _mirror(pairs: Any, keypoints: int) -> Mirror | None:
    """Return the rule for mirrored images, or None without pairs: the sides of the keypoints may then be unknown."""
    if not pairs:
        return None
    if not all(isinstance(pair, list | tuple) and [type(place) for place in pair] == [int, int] for pair in pairs):
        raise InvalidParameterError("swap_pairs", "pairs of keypoints, counted from 0", pairs)
    return Mirror.landmarks(pairs, keypoints)


def _fractions(points: Values, squares: Sequence[Square | None]) -> Values:
    """Convert points (n, k, 2) from pixels to fractions of the side of the square; NaN for images without a size."""
    fractions = np.full_like(points, np.nan)
    for row, square in enumerate(squares):
        if square is not None:
            fractions[row] = square.fractions(points[row])
    return fractions
