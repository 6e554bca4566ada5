"""DeepLabCut: the labels of body parts in ``CollectedData_SCORER.csv`` or ``.h5``, of one animal or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.deeplabcut_table import DeepLabCutTable, is_deeplabcut
from deepgum.data.edits.base import Changes
from deepgum.data.edits.headed_hdf5 import is_hdf5
from deepgum.data.frame_order import blocks_of_frames, frame_number
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.data.project_yaml import read_yaml
from deepgum.data.same_images import labelled_images
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile
from deepgum.errors import InvalidDataError, MissingDependencyError, listing

__all__ = ["DeepLabCut", "DeepLabCutAnnotations"]

_CONFIG = "config.yaml"
_FOLDERS_ABOVE = 4


@dataclass(frozen=True, eq=False)
class DeepLabCutAnnotations(KeypointAnnotations):
    """Labels in a table of DeepLabCut. A missing label is two empty cells (NaN in HDF5). All other cells stay."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the table with the new labels. Images are not copied."""
        table = DeepLabCutTable.read(self.source)
        cells: dict[tuple[int, int], float] = {}
        for point in self.new_points(changes):
            row, owner = divmod(int(self.keypoints.keys[point.row]), len(table.individuals))
            columns = table.columns[table.individuals[owner], self.keypoints.names[point.keypoint]]
            for column, value in zip(columns, point.after or (np.nan, np.nan), strict=True):
                cells[row, column] = value
        table.table.write(cells, out)
        other = self.source.with_suffix(".csv" if is_hdf5(self.source) else ".h5")
        if other.is_file():
            return (f"DeepLabCut keeps the same labels in '{other.name}'. Apply the patch to that file, too.",)
        return ()


class DeepLabCut(KeypointFile):
    """A table of labels of DeepLabCut. The skeleton is that of ``config.yaml`` in a folder above the table."""

    name = "deeplabcut"
    description = "labels of DeepLabCut (CollectedData_SCORER.csv or .h5); options: images, swap_pairs"
    options = MappingProxyType(dict(KeypointFile.options))
    annotations = DeepLabCutAnnotations
    content = "labels of DeepLabCut"
    output = "MODEL_OUTPUT.h5"

    def detect(self, path: Path) -> bool:
        """Return whether the path is a CSV file with the header lines of DeepLabCut, or an HDF5 file of pandas."""
        return path.is_file() and is_deeplabcut(path)

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the labelled frames.

        Raises
        ------
        InvalidDataError
            If the file is not a table of labels of DeepLabCut, or has no label. The message names the line.
        """
        table = DeepLabCutTable.read(path)
        if table.is_prediction:
            raise InvalidDataError(
                f"'{path}' should have labels. Found the output of a model, which has likelihoods. To score labels "
                f"with it, name the labels first:  deepgum score CollectedData_SCORER.csv {path.name}"
            )
        found = _instances(table, table.bodyparts, table.images)
        if not len(found):
            raise InvalidDataError(f"'{path}' should have labelled frames. Found {len(table.images)} without a label.")
        empty = len(table.images) * len(table.individuals) - len(found)
        return Keypoints(
            found.ids,
            found.images,
            found.names,
            found.points,
            np.full((len(found), 4), np.nan),
            keys=found.keys,
            skeleton=_skeleton(path, table.bodyparts),
            swap_pairs=left_right_pairs(table.bodyparts),
            together=blocks_of_frames(
                [image.rpartition("/")[0] for image in found.images],
                [frame_number(image) for image in found.images],
                found.images,
            ),
            notices=(f"{empty:,} instances without a label are left out.",) if empty else (),
        )

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read the output of a model of DeepLabCut, for the frames that have labels.

        The rows of the output are named like the images, or are the numbers of the frames of a video. In the second
        case, the name of the output starts with the name of the video, which is also the name of the folder of its
        labelled images.

        Raises
        ------
        InvalidDataError
            If no row belongs to a labelled image, or no body part has labels.
        """
        table = DeepLabCutTable.read(predictions)
        if not set(keypoints.names) & set(table.bodyparts):
            raise InvalidDataError(
                f"'{predictions}' should have predictions of {listing(keypoints.names)}. Found "
                f"{listing(table.bodyparts)}."
            )
        found = _instances(table, keypoints.names, _images_of(table, predictions, keypoints.images))
        if not len(found):
            raise InvalidDataError(
                f"'{predictions}' should have predictions for the labelled images. All of them are empty."
            )
        return PredictedInstances(found.images, found.points, table.likelihoods()[list(found.keys)])


@dataclass(frozen=True, eq=False)
class _Instances:
    """The animals in the rows of a table that have a point.

    Attributes
    ----------
    names : tuple of str, length k
    ids, images : tuples of str, length n
    keys : tuple of int, length n
        Row times the number of animals in the table, plus the number of the animal.
    points : array (n, k, 2)
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    images: tuple[str, ...]
    keys: tuple[int, ...]
    points: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)


def _instances(table: DeepLabCutTable, bodyparts: Sequence[str], images: Sequence[str]) -> _Instances:
    """Return the animals that have a point. `images` has the image of each row, or "" for a row to leave out."""
    animals = table.individuals
    points = table.points(bodyparts).reshape(-1, len(bodyparts), 2)
    owners = [(image, animal) for image in images for animal in animals]
    ids = instance_ids([image for image, _ in owners], [animal for _, animal in owners])
    seen = set(np.flatnonzero((~np.isnan(points)).any(axis=(1, 2))).tolist())
    kept = [row for row, (image, _) in enumerate(owners) if image and row in seen]
    return _Instances(
        tuple(bodyparts),
        tuple(ids[row] for row in kept),
        tuple(owners[row][0] for row in kept),
        tuple(kept),
        points[kept],
    )


def _images_of(table: DeepLabCutTable, path: Path, labelled: Sequence[str]) -> list[str]:
    """Return the labelled image of each row of the output of a model, or "" for a row without one.

    Raises
    ------
    InvalidDataError
        If no row has a labelled image.
    """
    rows = table.images
    if not all(row.isdecimal() for row in rows):
        return labelled_images(path, rows, labelled)
    folders = list(dict.fromkeys(image.rpartition("/")[0] for image in labelled))
    videos = [folder for folder in folders if (name := folder.rpartition("/")[2]) and path.name.startswith(name)]
    if not videos:
        raise InvalidDataError(
            f"'{path}' should have a name that starts with the name of the video, because its rows are numbers of "
            f"frames. The folders of the labelled images are {listing(folders)}. Rename the file."
        )
    video = max(videos, key=len)
    of_frame: dict[int, list[str]] = {}
    for image in dict.fromkeys(labelled):
        if image.rpartition("/")[0] == video:
            of_frame.setdefault(frame_number(image), []).append(image)
    images = [found[0] if len(found := of_frame.get(int(row), [])) == 1 else "" for row in rows]
    if not any(images):
        raise InvalidDataError(
            f"'{path}' should have rows for the labelled frames of '{video}', such as {min(of_frame)}. Found the "
            f"frames {rows[0]} to {rows[-1]}."
        )
    return images


def _skeleton(path: Path, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the lines of the nearest ``config.yaml`` above the table; none if it cannot be read.

    The lines are only drawn, so a configuration of another program, or a damaged one, is ignored.
    """
    configs = [folder / _CONFIG for folder in path.resolve().parents[:_FOLDERS_ABOVE]]
    config = next((each for each in configs if each.is_file()), None)
    if config is None:
        return ()
    try:
        values = read_yaml(config, "the configuration of a project")
    except (InvalidDataError, MissingDependencyError):
        return ()
    pairs = values.get("skeleton")
    places = {name: place for place, name in enumerate(names)}
    found = [
        (places.get(str(pair[0])), places.get(str(pair[1])))
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and len(pair) == 2
    ]
    return tuple((one, other) for one, other in found if one is not None and other is not None and one != other)
