"""The McGill Real-World Face Videos: one folder of frames per video, and the yaw angle of the head in each frame.

M. Demirkus, D. Precup, J. J. Clark and T. Arbel, "Hierarchical temporal graphical model for head pose estimation and
subsequent attribute classification in real-world videos", CVIU 2015. The paper uses this data set in section 4.3. A
video shows one person. The frames of a video are therefore kept together, and each of the paper's seven folds consists
of whole videos.

The label files that were released differ from each other. The loader therefore reads a table beside the folders: a CSV
or Parquet file (see `deepgum.data.columns`) with these columns. Further columns are ignored:

    video,frame,yaw
    v01,frame_0001.png,-15
    v01,2,-10.5

``video`` is the name of a folder. ``frame`` is the name of a file in this folder, or a whole number. A number means the
one file whose name has this number right before the suffix, for example 2 means ``frame_0002.png``. Frames may
therefore be counted from 0 or from 1, and some frames may be missing. ``yaw`` is in degrees. It is 0 for a frontal
face, and changes its sign when a face is mirrored. Angles beyond 90 degrees are accepted, because the mixture finds
wrong labels. Frames without a line in the table are not read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deepgum.checks import check_count
from deepgum.data.columns import read_columns
from deepgum.data.crop_cache import CropPlan, Progress
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.edits.carry import carry, check_within
from deepgum.data.edits.cells import Table, open_table
from deepgum.data.listed_images import image_names, load_pool, present_rows
from deepgum.data.mirror import Mirror
from deepgum.data.pool import Pool
from deepgum.data.sets.base import FOLDS, Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request
from deepgum.errors import InvalidDataError, InvalidParameterError, MissingImagesError

__all__ = [
    "COLUMNS",
    "MIRROR",
    "Frame",
    "McGill",
    "McGillAnnotations",
    "frame_files",
    "load_mcgill",
    "read_frames",
]

TABLE, COLUMNS = "yaw.csv", ("video", "frame", "yaw")
MIRROR = Mirror(permutation=(0,), sign=(-1.0,), offset=(0.0,))
"""Change of the targets when an image is mirrored: the sign of the yaw angle changes."""

_SOURCE = (
    "The set is the McGill Real-World Face Video Database of M. Demirkus, D. Precup, J. J. Clark and T. Arbel's "
    "'Hierarchical temporal graphical model for head pose estimation' (CVIU 2015). The documentation of "
    "`deepgum.data.sets.mcgill` describes the table."
)


@dataclass(frozen=True)
class Frame:
    """One line of the table: place of the line in the file, video, name or number of the frame, and yaw in degrees."""

    place: str
    video: str
    frame: str
    yaw: float


def load_mcgill(
    folder: str | os.PathLike[str],
    image_size: int,
    *,
    table: str | os.PathLike[str] = TABLE,
    colour: bool = True,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
) -> Pool:
    """Return the frames of a table with their yaw angles, in the order of the table.

    Parameters
    ----------
    folder : path
        Folder with one folder of frames per video.
    image_size : int
        Side of the images in pixels, after resizing. A frame that is not square keeps its proportions, because its
        outermost pixels are repeated to make a square.
    table : path
        The table, relative to `folder`.
    colour : bool
        If true, images are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    skip_missing : bool
        Whether to leave out frames that do not exist. A warning gives their number.
    skip_unreadable : bool
        Whether to leave out frames that cannot be decoded. A warning gives their number.
    cache_dir : path, optional
        Folder of the cache of decoded images; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Returns
    -------
    Pool
        The samples have one target, the yaw angle in degrees. Frames of one video are kept together. The id of a sample
        is ``video/file``.

    Raises
    ------
    InvalidParameterError
        If the table does not exist, or `image_size` is out of range.
    InvalidDataError
        If the table lacks a column, a line is malformed, a frame has two lines, or the number of a frame occurs in the
        names of two files.
    MissingImagesError
        If frames are missing and `skip_missing` is not set, or if all frames are missing.
    UnreadableImagesError, DiskFullError
        See `deepgum.data.listed_images.load_pool`.
    """
    root = Path(folder)
    check_count("image_size", image_size, least=8)
    path = root / table
    if not path.is_file():
        raise InvalidParameterError("table", f"a CSV file with columns {','.join(COLUMNS)}", str(path), _SOURCE)
    frames = read_frames(path)
    files = frame_files(root, path, frames)
    asked = [
        f"{frame.video}/{frame.frame}" if file is None else file for frame, file in zip(frames, files, strict=True)
    ]
    there = set(files)
    rows = present_rows(root, {path.name: asked}, skip_missing, _SOURCE, there.__contains__)[path.name]
    return load_pool(
        CropPlan(root, tuple(asked[row] for row in rows), (None,) * len(rows), image_size, colour),
        np.array([[frames[row].yaw] for row in rows]),
        ("yaw",),
        mirror=MIRROR,
        keep_together=[frames[row].video for row in rows],
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
    )


def read_frames(path: Path) -> list[Frame]:
    """Return the lines of the table at `path`, in the order of the table.

    Raises
    ------
    InvalidDataError
        If there is no line, a column is missing, a name is empty or a yaw angle is not a number. The message names the
        file, the line and the column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "yaw.csv"
    ...     _ = path.write_text("frame,yaw,video")
    ...     _ = path.open("a").write(chr(10) + "17,-12.5,v01")
    ...     read_frames(path)
    [Frame(place='line 2', video='v01', frame='17', yaw=-12.5)]
    """
    table = read_columns(path, COLUMNS)
    videos, frames = table.texts("video"), table.texts("frame")
    angles = table.numbers("yaw", missing=False).tolist()
    return [Frame(*line) for line in zip(table.places, videos, frames, angles, strict=True)]


def frame_files(root: Path, path: Path, frames: list[Frame]) -> list[str | None]:
    """Return the file of each frame as ``video/file``, or None for a frame without a file.

    `root` is the folder of the videos, and `path` the table, for messages.

    Raises
    ------
    InvalidDataError
        If the number of a frame occurs in the names of two files, or if a frame has two lines in the table.
    """
    videos: dict[str, dict[str, list[str]]] = {}
    seen: set[str] = set()
    files: list[str | None] = []
    for frame in frames:
        known = videos.get(frame.video)
        if known is None:
            known = videos[frame.video] = _frames_by_name(root / frame.video)
        key = str(int(frame.frame)) if re.fullmatch("[0-9]+", frame.frame) else frame.frame
        found = known.get(key, [])
        place = f"'{path}', {frame.place}, column 'frame'"
        if len(found) > 1:
            raise InvalidDataError(f"{place}: only one file should have the number {key}. Found {', '.join(found)}.")
        file = f"{frame.video}/{found[0]}" if found else None
        if file in seen:
            raise InvalidDataError(f"{place}: a frame should have only one line. Found '{file}' again.")
        if file is not None:
            seen.add(file)
        files.append(file)
    return files


def _frames_by_name(folder: Path) -> dict[str, list[str]]:
    """Return a dict from file names, and from the numbers before their suffixes, to the image files of a video."""
    names: dict[str, list[str]] = {}
    for file in image_names(folder) if folder.is_dir() else []:
        number = re.search(r"([0-9]+)\.[^.]*$", file)
        for key in (file, str(int(number[1]))) if number else (file,):
            names.setdefault(key, []).append(file)
    return names


@dataclass(frozen=True, eq=False)
class McGillAnnotations(Annotations):
    """Yaw angle in degrees of each frame whose file exists."""

    keeps_missing = False

    table: Table = field(kw_only=True)
    file: str = field(kw_only=True)
    """Path of the table, relative to `source`."""
    places: tuple[int, ...] = field(kw_only=True)
    """Row of each sample in the table."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the table with the new labels to a folder, and put the frames into the same folder."""
        dropped = set(self.left_out(changes))
        if len(dropped) == len(self):
            raise InvalidDataError(f"'{self.file}' should keep at least one line. All of its samples are dropped.")
        place = dict(zip(self.ids, self.places, strict=True))
        cells = {place[name]: {"yaw": labels.item()} for name, labels in changes.items() if name not in dropped}
        notes = self.table.write(cells, out / self.file, without=[place[name] for name in dropped])
        return (*notes, *carry(self.source, {name: name for name in self.ids if name not in dropped}, out))


class McGill(Dataset):
    """The McGill videos. Each of the seven folds consists of whole videos (section 4.3 of the paper)."""

    name = "mcgill"
    description = "head pose in videos, 7 folds of videos (section 4.3); options: table"
    image_size = 224
    measure = Measure("degrees", landmarks=False, moved=5.0)
    folds = FOLDS
    options = MappingProxyType({"table": TABLE})
    label_options = ("table",)

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the frames of the table, in the order of the table."""
        return load_mcgill(request.path, table=request.options["table"], **request.images)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has a table with the default name."""
        return (path / TABLE).is_file()

    def labels(self, path: Path, options: Mapping[str, Any]) -> McGillAnnotations:
        """Read the table. A line whose frame does not exist gives no sample, but `write` keeps the line.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the table does not exist or is malformed.
        MissingImagesError
            If no frame exists.
        """
        file = options["table"] or TABLE
        check_within(path, [file])
        if not (path / file).is_file():
            raise InvalidParameterError("data", f"a folder that holds '{file}'", str(path))
        frames = read_frames(path / file)
        there = [(row, name) for row, name in enumerate(frame_files(path, path / file, frames)) if name is not None]
        if not there:
            raise MissingImagesError(f"'{path}' should hold frames that '{file}' names. Found none.")
        return McGillAnnotations(
            source=path,
            ids=tuple(name for _, name in there),
            names=("yaw",),
            values=np.array([[frames[row].yaw] for row, _ in there]),
            table=open_table(path / file, COLUMNS),
            file=file,
            places=tuple(row for row, _ in there),
        )
