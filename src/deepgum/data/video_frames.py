"""Frames of videos, and images embedded in a file, as image files in the cache of this machine.

A report and a review show image files, so each frame that has labels is written once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgum.data.crop_cache import default_cache_dir
from deepgum.storage.disk import write_atomically

__all__ = ["FrameReader", "folder_of_frames", "write_frames"]

FrameReader = Callable[[], NDArray[np.uint8]]
"""Function that decodes one frame (h, w) or (h, w, c)."""


def folder_of_frames(sources: Sequence[Path]) -> Path:
    """Return the folder in the cache for frames of some files. Another size or time of a file gives another folder."""
    states = [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in sources]
    key = hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]
    return default_cache_dir() / "frames" / key


def write_frames(folder: Path, frames: Mapping[str, FrameReader]) -> None:
    """Write the frames that the folder does not have, by the names of their files relative to the folder.

    A frame that cannot be decoded is left out; the loader of the images reports it as missing.

    Raises
    ------
    DiskFullError
        If the disk fills up.
    """
    for name, read in frames.items():
        path = folder / name
        if not path.is_file():
            pixels = _decoded(read)
            if pixels is not None:
                with write_atomically(path) as temporary:
                    Image.fromarray(pixels).save(temporary, format="PNG")


def _decoded(read: FrameReader) -> NDArray[np.uint8] | None:
    try:
        pixels = np.asarray(read())
    except Exception:  # decoders of videos raise errors of many types
        return None
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or 0 in pixels.shape:
        return None
    return pixels
