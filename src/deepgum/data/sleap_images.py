"""The images of a SLEAP file: image files, frames of videos, and images embedded in the file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.image_files import open_image
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
        self._file, self._chosen = file, chosen
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
            if isinstance(self._file.videos[video].filename, list):
                readers[frame_file(name)] = partial(_image, _found(self._file.path, name, self._chosen))
            elif name in wanted and source is not None:
                readers[frame_file(name)] = partial(_frame, self._file.videos[video], source, frame)
        if not readers:
            names = [str(video.filename) for video in self._file.videos]
            raise MissingImagesError(
                f"The videos of '{self._file.path}' should be on this machine. Found none of {listing(names)}. Give "
                "the folder of the videos: --images DIR (options.images)."
            )
        write_frames(self.folder, readers)


def _local(path: Path, video: Any, chosen: str) -> Path | None:
    """Return the file with the frames of a video, or None if it is not on this machine or is a list of images."""
    if isinstance(video.filename, list):
        return None
    name = str(video.filename)
    return path if Path(name) == path or not name else _found(path, name, chosen)


def _found(path: Path, name: str, chosen: str) -> Path | None:
    """Return the file of this name in the chosen folder or the folder of the SLEAP file, else the path in the file."""
    folder = Path(chosen) if chosen else path.parent
    file = folder / find_images(folder, [name])[name]
    if file.is_file():
        return file
    return Path(name) if not chosen and Path(name).is_file() else None


def _frame(video: Any, source: Path, frame: int) -> NDArray[np.uint8]:
    """Decode a frame of a video of sleap-io. Only the file `source` is opened, and no address of another machine."""
    if not video.is_open:
        video.open(str(source))
    pixels: NDArray[np.uint8] = video[frame]
    return pixels


def _image(path: Path | None) -> NDArray[np.uint8]:
    """Decode an image file, which belongs to a project that has videos, too."""
    if path is None:
        raise FileNotFoundError
    with open_image(path) as image:
        return np.asarray(image.convert("RGB"))


def frame_file(name: str) -> str:
    """Return the file of a frame in the cache: the name of its image as a path inside of a folder.

    Examples
    --------
    >>> frame_file("C:/clips/a.png"), frame_file("clip.mp4/000120.png")
    ('clips/a.png', 'clip.mp4/000120.png')
    """
    parts = re.sub(r"^[A-Za-z]:", "", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))
