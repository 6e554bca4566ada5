"""The content of a SLEAP file (``.slp``, ``.pkg.slp``): frames, instances of the user and of a model, and videos.

sleap-io reads the skeleton and the videos. The tables of frames, instances and points are read as arrays, because
corrected points are written into the same rows of a copy of the file.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import LARGEST
from deepgum.data.edits.headed_hdf5 import open_hdf5
from deepgum.errors import InvalidDataError, MissingDependencyError, listing
from deepgum.storage.decoding import decoding

__all__ = ["SleapFile", "SleapInstances"]

CONTENT = "a file of SLEAP (.slp)"
USER, PREDICTED = 0, 1
_DEEPEST = 10
"""Largest number of videos that were made from one another."""
_FIELDS = {
    "frames": ("video", "frame_idx", "instance_id_start", "instance_id_end"),
    "instances": ("instance_type", "skeleton", "score", "point_id_start", "point_id_end"),
    "points": ("x", "y", "visible"),
    "pred_points": ("x", "y", "visible"),
}


@dataclass(frozen=True, eq=False)
class SleapInstances:
    """Instances of one kind in the order of the file.

    Attributes
    ----------
    videos : int array (n,)
        Place of the video of each instance in `SleapFile.videos`.
    frames : int array (n,)
        Number of the frame in the video.
    places : int array (n,)
        Place of the instance among the instances of its kind in the frame, counted from 1.
    first : int array (n,)
        First row of the instance in the table of points.
    skeletons : int array (n,)
    points : array (n, k, 2)
        NaN where a point is not visible.
    scores : array (n,)
        How sure a model is of the instance.
    """

    videos: NDArray[np.int64]
    frames: NDArray[np.int64]
    places: NDArray[np.int64]
    first: NDArray[np.int64]
    skeletons: NDArray[np.int64]
    points: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class SleapFile:
    """A SLEAP file.

    Attributes
    ----------
    path : Path
    videos : list of sleap_io.Video
        The videos, not opened.
    skeletons : list of sleap_io.Skeleton
    """

    path: Path
    videos: list[Any]
    skeletons: list[Any]
    tables: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> SleapFile:
        """Read a file.

        Raises
        ------
        MissingDependencyError
            If sleap-io is not installed.
        InvalidDataError
            If the file is not of SLEAP, or damaged.
        """
        try:
            import sleap_io
        except ImportError as error:
            raise MissingDependencyError(f"Reading '{path}'", "sleap-io", extra="pose") from error
        with open_hdf5(path, CONTENT) as file:
            tables = {}
            for name, fields in _FIELDS.items():
                table = file[name][...]
                if not set(fields) <= set(table.dtype.names or ()) or table.ndim != 1:
                    raise ValueError(f"its table {name!r} should have the columns {', '.join(fields)}")
                tables[name] = table
        with decoding(path, CONTENT):
            labels = sleap_io.load_slp(str(path), open_videos=False, lazy=True)
            return cls(path, list(labels.videos), list(labels.skeletons), tables)

    @cached_property
    def _video_places(self) -> dict[int, int]:
        """Return the place of each video by its number in the table of frames.

        The numbers are places, or, if images are embedded, the numbers in the names of their groups: "video15/video".
        """
        used = set(self.tables["frames"]["video"].tolist())
        if used == set(range(len(self.videos))):
            return {place: place for place in used}
        found = {}
        for place, video in enumerate(self.videos):
            group = str(video.backend_metadata.get("dataset") or "").split("/")[0].removeprefix("video")
            found[int(group) if group.isdecimal() else place] = place
        return found

    def instances(self, kind: int) -> SleapInstances:
        """Return the instances of the user (`USER`) or of a model (`PREDICTED`), of the skeleton that is used most.

        Raises
        ------
        InvalidDataError
            If the tables contradict each other, or the instances have several skeletons.
        """
        with decoding(self.path, CONTENT):
            return self._instances(kind)

    def _instances(self, kind: int) -> SleapInstances:
        frames, instances = self.tables["frames"], self.tables["instances"]
        points = self.tables["points" if kind == USER else "pred_points"]
        begin, end = (frames[f"instance_id_{name}"].astype(np.int64) for name in ("start", "end"))
        if (begin > end).any() or (end > len(instances)).any() or (begin < 0).any():
            raise ValueError("its frames have instances that do not exist")
        owner = np.repeat(np.arange(len(frames)), end - begin)
        rows = np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)] or [np.empty(0, np.int64)])
        if len(set(rows.tolist())) < len(rows):
            raise ValueError("its frames have instances in common")
        of_kind = instances["instance_type"][rows] == kind
        owner, rows = owner[of_kind], rows[of_kind]
        mine = instances[rows]
        skeletons = mine["skeleton"].astype(np.int64)
        if len(set(skeletons.tolist())) > 1:
            names = [self.skeletons[place].name or f"skeleton {place}" for place in sorted(set(skeletons.tolist()))]
            raise ValueError(f"its instances should have one skeleton. Found {listing(names)}")
        nodes = len(self.skeletons[skeletons[0]].node_names) if len(mine) else 0
        first, last = mine["point_id_start"].astype(np.int64), mine["point_id_end"].astype(np.int64)
        if (first < 0).any() or (last > len(points)).any() or (last - first != nodes).any():
            raise ValueError(f"its instances should have {nodes} points each")
        if (np.diff(np.sort(first)) < nodes).any():
            raise ValueError("its instances have points in common")
        numbers = frames["video"][owner].tolist()
        unknown = set(numbers) - set(self._video_places)
        if unknown:
            raise ValueError(f"its frames have the video {min(unknown)}, which does not exist")
        found = points[first[:, None] + np.arange(nodes)]
        xy = np.stack([found["x"], found["y"]], axis=-1).astype(np.float64)
        if (np.abs(xy) > LARGEST).any():
            raise ValueError("its points should be finite")
        xy[np.isnan(xy).any(axis=-1) | ~found["visible"].astype(bool)] = np.nan
        seen: Counter[int] = Counter()
        places = []
        for frame in owner.tolist():
            seen[frame] += 1
            places.append(seen[frame])
        return SleapInstances(
            np.array([self._video_places[number] for number in numbers], dtype=np.int64),
            frames["frame_idx"][owner].astype(np.int64),
            np.array(places, dtype=np.int64),
            first,
            skeletons,
            xy,
            np.nan_to_num(mine["score"].astype(np.float64)),
        )

    def image(self, video: int, frame: int) -> str:
        """Return the name of the image of a frame: its file, or the name of the video with the number of the frame.

        Raises
        ------
        InvalidDataError
            If the video is a list of images, and has no image with this number.
        """
        files = _files(_source(self.videos[video]))
        if not files:
            return f"{self.video_names[video]}/{frame:06d}.png"
        if not 0 <= frame < len(files):
            raise InvalidDataError(
                f"'{self.path}' should have an image for frame {frame} of video {video}. Found {len(files)} images."
            )
        return files[frame].replace("\\", "/")

    @property
    def has_only_image_files(self) -> bool:
        """Whether each video is a list of image files, and none has to be decoded or is embedded."""
        return all(_files(video) for video in self.videos)

    @cached_property
    def video_names(self) -> list[str]:
        """A different name for each video: the name of its file, after a number if several files have the same name."""
        sources = [_source(video) for video in self.videos]
        names = ["" if _files(each) else str(each.filename).replace("\\", "/").rsplit("/", 1)[-1] for each in sources]
        count = Counter(names)
        return [name if count[name] == 1 and name else f"{place} {name}".strip() for place, name in enumerate(names)]

    def short_names(self, images: Sequence[str]) -> list[str]:
        """Return names of images without the folder that has all images of the file."""
        files = [str(name).replace("\\", "/") for video in self.videos for name in _files(_source(video))]
        levels = zip(*(name.split("/")[:-1] for name in files), strict=False)
        same = takewhile(lambda parts: len(set(parts)) == 1, levels)
        start = "".join(f"{parts[0]}/" for parts in same)
        return [image.removeprefix(start) for image in images]

    def write(self, points: Mapping[int, tuple[float, float] | None], out: Path) -> None:
        """Write a copy of the file with new points: row of the table of points -> x and y, or None for no label."""
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.path, out)
        with open_hdf5(out, f"{CONTENT} that can be changed", "r+") as file:
            table = file["points"]
            for row in sorted(points):
                x, y = points[row] or (np.nan, np.nan)
                table[row, "x"], table[row, "y"], table[row, "visible"] = x, y, points[row] is not None


def _source(video: Any) -> Any:
    """Return the video that embedded images were taken from; a video without embedded images is its own source."""
    for _ in range(_DEEPEST):
        if video.source_video is None:
            break
        video = video.source_video
    return video


def _files(video: Any) -> list[str]:
    """Return the image files of a video; none if the video is one file."""
    return [str(name) for name in video.filename] if isinstance(video.filename, list) else []
