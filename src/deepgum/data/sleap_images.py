"""The images of a SLEAP file: image files, frames of videos, and images embedded in the file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.keypoint_images import find_images
from deepgum.data.sleap_file import SleapFile
from deepgum.data.video_frames import FrameReader, folder_of_frames, write_frames
from deepgum.errors import MissingImagesError, listing

__all__ = ["FramesOf", "folder_of_paths", "frame_file"]


def folder_of_paths(images: Sequence[str]) -> Path | None:
    """Return the folder of all images, if their names are paths from the root of this machine, and one exists."""
    paths = [Path(name) for name in dict.fromkeys(images)]
    if not all(path.is_absolute() for path in paths) or not any(path.is_file() for path in paths):
        return None
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths):
        folder = folder.parent
    return folder


class FramesOf:
    """The frames of the videos of a SLEAP file, as image files in the cache.

    Parameters
    ----------
    file : SleapFile
    chosen : str
        The folder of the videos that the user names, or an empty string.

    Attributes
    ----------
    folder : Path
        The folder in the cache. Another version of the file or of a video has another folder.
    """

    def __init__(self, file: SleapFile, chosen: str) -> None:
        self._file = file
        self._sources = [_local(file.path, video, chosen) for video in file.videos]
        self.folder = folder_of_frames([file.path, *(each for each in self._sources if each is not None)])

    def write(self, frames: Iterable[tuple[int, int]], images: Collection[str]) -> None:
        """Write frames that are not in the cache yet.

        Parameters
        ----------
        frames : iterable of (int, int)
            Place of the video in the file, and number of the frame.
        images : collection of str
            The images that are needed, as `SleapFile.image` names them.

        Raises
        ------
        MissingImagesError
            If none of the videos is on this machine.
        DiskFullError
            If the disk fills up.
        """
        wanted = set(images)
        readers: dict[str, FrameReader] = {}
        for video, frame in frames:
            name, source = self._file.image(video, frame), self._sources[video]
            if name in wanted and source is not None:
                readers[frame_file(name)] = partial(_frame, self._file.videos[video], source, frame)
        if not readers:
            names = [str(video.filename) for video in self._file.videos]
            raise MissingImagesError(
                f"The videos of '{self._file.path}' should be on this machine. Found none of {listing(names)}. Give "
                "the folder of the videos: --images DIR (options.images)."
            )
        write_frames(self.folder, readers)


def _local(path: Path, video: Any, chosen: str) -> Path | None:
    """Return the file with the frames of a video, or None if it is not on this machine."""
    if isinstance(video.filename, list):
        return path
    name = str(video.filename)
    if Path(name) == path or not name:
        return path
    for folder in [Path(chosen)] if chosen else [path.parent]:
        found = folder / find_images(folder, [name])[name]
        if found.is_file():
            return found
    return Path(name) if not chosen and Path(name).is_file() else None


def _frame(video: Any, source: Path, frame: int) -> NDArray[np.uint8]:
    """Decode a frame of a video of sleap-io."""
    if not video.is_open:
        video.open(None if isinstance(video.filename, list) else str(source))
    pixels: NDArray[np.uint8] = video[frame]
    return pixels


def frame_file(name: str) -> str:
    """Return the file of a frame in the cache: the name of its image as a path inside of a folder.

    Examples
    --------
    >>> frame_file("C:/clips/a.png"), frame_file("clip.mp4/000120.png")
    ('clips/a.png', 'clip.mp4/000120.png')
    """
    parts = re.sub(r"^[A-Za-z]:", "", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))
