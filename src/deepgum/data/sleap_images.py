"""The images of a SLEAP file: image files, frames of videos, and images embedded in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.keypoint_images import find_images
from deepgum.data.sleap_file import SleapFile
from deepgum.data.video_frames import FrameReader, folder_of_frames, write_frames

__all__ = ["folder_of_paths", "write_labelled_frames"]


def folder_of_paths(images: Sequence[str]) -> Path | None:
    """Return the folder of all images, if their names are paths from the root of this machine, and one exists."""
    paths = [Path(name) for name in dict.fromkeys(images)]
    if not all(path.is_absolute() for path in paths) or not any(path.is_file() for path in paths):
        return None
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths):
        folder = folder.parent
    return folder


def write_labelled_frames(
    file: SleapFile, frames: Iterable[tuple[int, int]], images: Sequence[str], chosen: str
) -> tuple[Path, tuple[str, ...]]:
    """Write frames of videos as image files into the cache. Return the folder, and the file of each image.

    Parameters
    ----------
    file : SleapFile
    frames : iterable of (int, int)
        Place of the video in the file, and number of the frame.
    images : sequence of str
        The images that are needed, as `SleapFile.image` names them.
    chosen : str
        The folder of the videos that the user names, or an empty string.
    """
    sources = [_local(file.path, video, chosen) for video in file.videos]
    folder = folder_of_frames([file.path, *(each for each in sources if each is not None)])
    wanted = set(images)
    readers: dict[str, FrameReader] = {}
    for video, frame in frames:
        name, source = file.image(video, frame), sources[video]
        if name in wanted and source is not None:
            readers[_relative(name)] = partial(_frame, file.videos[video], source, frame)
    write_frames(folder, readers)
    return folder, tuple(map(_relative, images))


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


def _relative(name: str) -> str:
    """Return the name of an image as a path inside of a folder."""
    parts = re.sub(r"^[A-Za-z]:", "", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))
