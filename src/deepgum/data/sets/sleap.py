"""SLEAP: instances of a user in a ``.slp`` or ``.pkg.slp`` file, and those of a model in the same or another file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deepgum.data.edits.base import Changes
from deepgum.data.frame_order import blocks_of_frames
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.data.same_images import labelled_images
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile
from deepgum.data.sleap_file import PREDICTED, USER, SleapFile, SleapInstances
from deepgum.data.sleap_images import FramesOf, folder_of_paths, frame_file
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["Sleap", "SleapAnnotations"]


@dataclass(frozen=True, eq=False)
class SleapAnnotations(KeypointAnnotations):
    """Instances of the user in a SLEAP file. A missing label is a point that is not visible, at NaN."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write a copy of the file, in which only the changed points differ."""
        points = {
            int(self.keypoints.keys[point.row]) + point.keypoint: point.after for point in self.new_points(changes)
        }
        SleapFile.read(self.source).write(points, out)
        return ()


class Sleap(KeypointFile):
    """A file of SLEAP. The labels are the instances of the user; those of a model are predictions.

    The option `images` is the folder of the images or of the videos; by default, the paths in the file count, and then
    the folder of the file. Frames of videos and embedded images are written as image files into the cache.
    """

    name = "sleap"
    description = "labels of SLEAP (.slp, .pkg.slp); options: images, swap_pairs"
    options = MappingProxyType(dict(KeypointFile.options))
    annotations = SleapAnnotations
    content = "labels of SLEAP"
    output = "PREDICTIONS.slp"
    has_own_predictions = True

    def detect(self, path: Path) -> bool:
        """Return whether the path is a file that ends in ``.slp``."""
        return path.suffix.lower() == ".slp" and path.is_file()

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the labelled instances of the user.

        Raises
        ------
        MissingDependencyError
            If sleap-io is not installed.
        InvalidDataError
            If the file is damaged, or has no labelled instance.
        """
        file = SleapFile.read(path)
        found = file.instances(USER)
        labelled = ~np.isnan(found.points).all(axis=(1, 2))
        kept = np.flatnonzero(labelled).tolist()
        if not kept:
            models = len(file.instances(PREDICTED))
            raise InvalidDataError(
                f"'{path}' should have instances of a user with visible points. Found {len(found)}, and {models} "
                "instances of a model."
            )
        skeleton = file.skeletons[found.skeletons[0]]
        names = tuple(map(str, skeleton.node_names))
        pairs = dict.fromkeys(_symmetric(each, names) for each in skeleton.symmetries)
        images = _images(file, found)
        ids = instance_ids(file.short_names(images), found.places.tolist())
        left_out = len(found) - len(kept)
        return Keypoints(
            ids=tuple(ids[row] for row in kept),
            images=tuple(images[row] for row in kept),
            names=names,
            points=found.points[kept],
            boxes=np.full((len(kept), 4), np.nan),
            skeleton=tuple((int(one), int(other)) for one, other in skeleton.edge_inds),
            swap_pairs=tuple(pairs) or left_right_pairs(names),
            together=blocks_of_frames(
                list(map(str, found.videos[kept])), found.frames[kept].tolist(), [images[row] for row in kept]
            ),
            keys=tuple(found.first[kept].tolist()),
            notices=(f"{left_out:,} instances without a visible point are left out.",) if left_out else (),
        )

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read the instances of a model in the same file or in another, for the images that have labels.

        Raises
        ------
        InvalidDataError
            If no instance of a model belongs to a labelled image, or the skeletons have no point in common.
        """
        file = SleapFile.read(predictions)
        found = file.instances(PREDICTED)
        if not len(found):
            raise InvalidDataError(
                f"'{predictions}' should have instances of a model, with which the labels are compared. Found none. "
                "Give the file of the predictions second:  deepgum score LABELS.slp PREDICTIONS.slp"
            )
        nodes = list(map(str, file.skeletons[found.skeletons[0]].node_names))
        if not set(nodes) & set(keypoints.names):
            raise InvalidDataError(
                f"'{predictions}' should have predictions of {listing(keypoints.names)}. Found {listing(nodes)}."
            )
        images = labelled_images(predictions, _images(file, found), keypoints.images)
        points = np.full((len(found), len(keypoints.names), 2), np.nan)
        for place, name in enumerate(keypoints.names):
            if name in nodes:
                points[:, place] = found.points[:, nodes.index(name)]
        kept = [row for row, image in enumerate(images) if image]
        return PredictedInstances(tuple(images[row] for row in kept), points[kept], found.scores[kept])

    def files(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
        """Return the folder of the images, and the image file of each instance.

        For frames of videos and embedded images, the folder is in the cache, and `prepare` fills it.
        """
        chosen = options["images"]
        if chosen and not Path(chosen).is_dir():
            raise InvalidParameterError("images", "the folder of the images", chosen, "There is no such folder.")
        file = SleapFile.read(path)
        if file.has_only_image_files:
            common = folder_of_paths(keypoints.images)
            return super().files(path, keypoints, {**options, "images": chosen or str(common or "")})
        return FramesOf(file, chosen).folder, tuple(map(frame_file, keypoints.images))

    def prepare(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> None:
        """Write the labelled frames of videos, and labelled images that are embedded, into the cache.

        Raises
        ------
        MissingImagesError
            If no video is on this machine. The message names the videos.
        """
        file = SleapFile.read(path)
        if not file.has_only_image_files:
            found = file.instances(USER)
            frames = dict.fromkeys(zip(found.videos.tolist(), found.frames.tolist(), strict=True))
            FramesOf(file, options["images"]).write(frames, keypoints.images)


def _images(file: SleapFile, instances: SleapInstances) -> list[str]:
    return [file.image(*key) for key in zip(instances.videos.tolist(), instances.frames.tolist(), strict=True)]


def _symmetric(symmetry: Any, names: tuple[str, ...]) -> tuple[int, int]:
    """Return the pair of points of a symmetry of sleap-io, the first point of the file first."""
    one, other = sorted(names.index(str(node.name)) for node in symmetry.nodes)
    return one, other
