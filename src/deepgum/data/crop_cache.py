"""Decoded crops, kept on disk as one memory-mapped array, so that no epoch decodes an image file again.

The array's name is a hash of everything that made it. A changed list, file, box or size makes another name, and a stale
array is never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
import platformdirs
from numpy.typing import NDArray
from PIL import Image

from deepgum.data.crops import Square, read_crop
from deepgum.errors import InvalidParameterError, UnreadableImagesError

__all__ = ["CropPlan", "Progress", "default_cache_dir", "load_crops"]

Progress = Callable[[int, int], None]

# Part of the key: to be raised whenever `deepgum.data.crops` makes other pixels of the same request.
_VERSION = 1


@dataclass(frozen=True)
class CropPlan:
    """Which crops to make of which files.

    Parameters
    ----------
    folder : Path
        Where the images are. It is not part of the key, so that a data set can be moved.
    names : tuple of str, length n
        Image files relative to the folder.
    squares : tuple of Square, length n
    image_size : int
        The side of every crop in pixels.
    colour : bool
        RGB, or gray.
    """

    folder: Path
    names: tuple[str, ...]
    squares: tuple[Square, ...]
    image_size: int
    colour: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the crops, (n, channels, height, width)."""
        return len(self.names), 3 if self.colour else 1, self.image_size, self.image_size

    def key(self) -> str:
        """Return the hash of what makes the crops: names, sizes and times of the files, squares, form, versions."""
        digest = hashlib.sha256(repr((_VERSION, PIL.__version__, self.shape)).encode())
        for name, square in zip(self.names, self.squares, strict=True):
            file = os.stat(self.folder / name)
            digest.update(repr((name, file.st_size, file.st_mtime_ns, *map(float, square))).encode())
        return digest.hexdigest()[:32]


def default_cache_dir() -> Path:
    """Return the folder of the environment variable DEEPGUM_CACHE, or else the user's cache folder."""
    return Path(os.environ.get("DEEPGUM_CACHE") or platformdirs.user_cache_dir("deepgum"))


def load_crops(
    plan: CropPlan, cache_dir: str | os.PathLike[str] | None = None, on_progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Return the crops (n, c, h, w) as a memory map, decoding the images only where no valid cache exists.

    Parameters
    ----------
    plan : CropPlan
    cache_dir : path, optional
        By default `default_cache_dir`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Raises
    ------
    UnreadableImagesError
        If images cannot be decoded. All of them are named, and nothing is left in the cache.
    InvalidParameterError
        If the cache folder cannot be written to.
    """
    cache = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    key = plan.key()
    array, note = cache / f"crops-{key}.npy", cache / f"crops-{key}.json"
    crops = _open_valid(array, note, key, plan.shape)
    if crops is None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with _replacing(array) as file:
                _write_crops(file, plan, on_progress)
            # The note comes last: an array without it was not finished.
            with _replacing(note) as file:
                file.write(json.dumps(_note(key, plan.shape), indent=1).encode())
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            hint = f"({error}) Name another one, or set DEEPGUM_CACHE."
            raise InvalidParameterError("cache_dir", "a folder that can be written to", str(cache), hint) from error
        crops = np.load(array, mmap_mode="c", allow_pickle=False)
    return crops


def _note(key: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"made_by": "deepgum", "version": _VERSION, "key": key, "shape": list(shape), "dtype": "uint8"}


def _open_valid(array: Path, note: Path, key: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the cached crops, or None when they are absent, cut short, or not ours."""
    try:
        if json.loads(note.read_text(encoding="utf-8")) != _note(key, shape):
            return None
        # Copy on write: the file cannot be changed through it, and torch can still wrap it without a warning.
        crops: NDArray[np.uint8] = np.load(array, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return crops if crops.shape == shape and crops.dtype == np.uint8 and crops.flags.c_contiguous else None


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` when, and only when, all has been written."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _write_crops(file: IO[bytes], plan: CropPlan, on_progress: Progress | None) -> None:
    # Plain writes, not a writable map: a full disk is then an error and not a bus error that ends the process.
    header = {"descr": "|u1", "fortran_order": False, "shape": plan.shape}
    np.lib.format.write_array_header_1_0(file, header)
    unreadable: list[str] = []
    with ThreadPoolExecutor(max_workers=2) as pool:  # Pillow lets go of the interpreter lock while it decodes
        decoded = pool.map(lambda index: _decode(plan, index), range(len(plan.names)))
        for index, crop in enumerate(decoded):
            if isinstance(crop, str):
                unreadable.append(crop)
            else:
                file.write(crop.tobytes())
            if on_progress is not None:
                on_progress(index + 1, len(plan.names))
    if unreadable:
        raise UnreadableImagesError(
            f"{len(unreadable)} of {len(plan.names)} images in '{plan.folder}' cannot be read:\n  "
            + "\n  ".join(unreadable)
        )


def _decode(plan: CropPlan, index: int) -> NDArray[np.uint8] | str:
    """Return a crop, or the image's name and what is wrong with it."""
    name = plan.names[index]
    try:
        return read_crop(plan.folder / name, plan.squares[index], plan.image_size, colour=plan.colour)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{name}: {error}"
