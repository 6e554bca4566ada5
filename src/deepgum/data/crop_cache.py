"""Cache of decoded crops: one memory-mapped array on disk, so that each image file is decoded only once.

The name of the array contains a hash of everything that determines the crops, including the bytes of the image files.
If a list, a file, a box or the size changes, the name changes too. An outdated array is therefore never read. A second
file beside the array, the note, contains the hash of the array. An array whose bytes have changed is made again. The
note also lists the images that cannot be decoded, so that the next load does not try to decode them again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
import PIL
import platformdirs
from numpy.typing import NDArray

from deepgum.data.crops import Square, read_crop
from deepgum.data.image_reading import ImageReading, ImageSurvey, survey_images
from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError, InvalidParameterError, UnreadableImageError, UnreadableImagesError
from deepgum.storage.disk import write_atomically
from deepgum.storage.hashes import KeptHashes, file_sha256

__all__ = ["CropPlan", "Progress", "ReadableCrops", "default_cache_dir", "load_crops", "load_readable_crops"]

Progress = Callable[[int, int], None]
_Decoded: TypeAlias = NDArray[np.uint8] | UnreadableImageError | OSError

# Part of the key. Increase it whenever `deepgum.data.crops` or `deepgum.data.image_reading` make other pixels for the
# same plan.
_VERSION = 3
_BLOCK = 256


@dataclass(frozen=True)
class CropPlan:
    """A plan of the crops to make: image files, square regions, size and colour.

    Parameters
    ----------
    folder : Path
        Folder of the images. The hash of the plan does not contain the folder, so that a data set can be moved.
    names : tuple of str, length n
        Names of the image files, relative to the folder.
    squares : tuple of Square or None, length n
        Square region to cut from each image. None means the smallest square around the whole image.
    image_size : int
        Side of each crop in pixels.
    colour : bool
        RGB if true, grey otherwise.
    reading : ImageReading
        The way from the files to pixels. If it has no range for a kind of pixels with more than 8 bits, the range is
        that of all images in the plan.
    """

    folder: Path
    names: tuple[str, ...]
    squares: tuple[Square | None, ...]
    image_size: int
    colour: bool
    reading: ImageReading = field(default_factory=ImageReading)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the crops, (n, channels, height, width)."""
        return len(self.names), 3 if self.colour else 1, self.image_size, self.image_size

    @property
    def pictures(self) -> Pictures:
        """The image files of the crops, and the square region of each image."""
        return Pictures(self.folder, self.names, self.squares, reading=self.reading)

    def key(self, hashes: Sequence[str | None]) -> str:
        """Return the hash of everything that determines the crops.

        These are the name and the bytes of every image file, the square regions, the shape of the crops, the settings
        of `reading`, and the versions of Pillow and of the cache.

        Parameters
        ----------
        hashes : sequence of str or None, length n
            The hash of each image file, from `deepgum.storage.hashes.KeptHashes`.
        """
        digest = hashlib.sha256(repr((_VERSION, PIL.__version__, self.shape)).encode())
        digest.update(repr((self.reading.apply_orientation, sorted(self.reading.ranges.items()))).encode())
        for name, square, content in zip(self.names, self.squares, hashes, strict=True):
            place = ("whole",) if square is None else tuple(map(float, square))
            digest.update(repr((name, content, *place)).encode())
        return digest.hexdigest()[:32]


def default_cache_dir() -> Path:
    """Return the default folder of the cache.

    The environment variable DEEPGUM_CACHE names this folder. If the variable is not set, the default is a folder in the
    cache folder of the user.
    """
    return Path(os.environ.get("DEEPGUM_CACHE") or platformdirs.user_cache_dir("deepgum"))


class ReadableCrops(NamedTuple):
    """The crops of the images that could be decoded, and a list of the other images.

    Parameters
    ----------
    crops : array, shape (m, c, h, w), uint8
        Crops of the m images that could be decoded.
    rows : list of int, length m
        Position of each crop in the plan, in ascending order.
    unreadable : dict of int to str
        Position in the plan of each image that could not be decoded, mapped to the name of the image and the reason.
    survey : ImageSurvey
        The ranges of deep pixels that were applied, and the orientations that files of the plan note.
    """

    crops: NDArray[np.uint8]
    rows: list[int]
    unreadable: dict[int, str]
    survey: ImageSurvey


def load_crops(
    plan: CropPlan, cache_dir: str | os.PathLike[str] | None = None, on_progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Return the crops (n, c, h, w) as a memory map. The images are decoded only if the cache does not have the crops.

    Parameters
    ----------
    plan : CropPlan
        The crops to load.
    cache_dir : path, optional
        Folder of the cache; by default the folder that `default_cache_dir` returns.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Raises
    ------
    UnreadableImagesError
        If images cannot be decoded. The message names all these images, and no crop is stored.
    InvalidParameterError
        If the cache folder cannot be written to.
    DiskFullError
        If the disk of the cache cannot hold the crops. The free space is checked before the first image is decoded. The
        error is also raised if the disk fills up later.
    """
    return _load_or_make(plan, cache_dir, on_progress, leave_out=False).crops


def load_readable_crops(
    plan: CropPlan,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
    *,
    leave_out: bool = True,
) -> ReadableCrops:
    """Return the crops of the images that can be decoded, and the positions of these images in the plan.

    If `leave_out` is false, an image that cannot be decoded is an error, as in `load_crops`.

    `load_crops` uses the same cache. An image is left out if its file can be read but not decoded, or if its square
    region does not fit the image. If the operating system cannot read the file (no permission, a disk error, too many
    open files), an error is raised, because the image may be intact and the next load may succeed.

    Raises
    ------
    UnreadableImagesError
        If the operating system cannot read a file, or if no image can be decoded.
    InvalidParameterError, DiskFullError
        See `load_crops`.
    """
    return _load_or_make(plan, cache_dir, on_progress, leave_out=leave_out)


def _load_or_make(
    plan: CropPlan, cache_dir: str | os.PathLike[str] | None, on_progress: Progress | None, *, leave_out: bool
) -> ReadableCrops:
    cache = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    key = plan.key(KeptHashes(cache, plan.folder).of(plan.names, on_progress))
    array, note = cache / f"crops-{key}.npy", cache / f"crops-{key}.json"
    cached = _open_valid(array, note, key, plan.shape)
    if cached is None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            size, content = math.prod(plan.shape), f"{len(plan.names)} crops"
            with write_atomically(array, size, content) as temporary:
                survey = _survey(plan)
                with open(temporary, "wb") as file:
                    reading = replace(plan.reading, ranges=survey.ranges)
                    unreadable = _write_crops(file, replace(plan, reading=reading), on_progress, leave_out=leave_out)
                made = file_sha256(temporary)
                if plan.key(KeptHashes(cache, plan.folder).of(plan.names)) != key:
                    raise InvalidDataError(
                        f"The images in '{plan.folder}' should not change while they are read. Some of them changed. "
                        "Run the same command again when no program writes there."
                    )
            # The note is written last: an array without a note is unfinished.
            text = json.dumps(_note(key, plan.shape, made, unreadable, survey), indent=1).encode()
            with write_atomically(note, len(text), "the note of the crops") as temporary:
                temporary.write_bytes(text)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            hint = f"({error}) Give another folder, or set DEEPGUM_CACHE."
            raise InvalidParameterError("cache_dir", "a folder that can be written to", str(cache), hint) from error
        cached = np.load(array, mmap_mode="c", allow_pickle=False), unreadable, survey
    crops, unreadable, survey = cached
    if unreadable and not leave_out:
        raise _refusal(plan, unreadable)
    return ReadableCrops(crops, [row for row in range(len(plan.names)) if row not in unreadable], unreadable, survey)


def _survey(plan: CropPlan) -> ImageSurvey:
    """Return the findings about the files of a plan. Ranges that the plan gives take the place of the ranges found."""
    found = survey_images([plan.folder / name for name in plan.names])
    return ImageSurvey({**found.ranges, **plan.reading.ranges}, found.orientations)


def _note(
    key: str, shape: tuple[int, ...], array: str | None, unreadable: dict[int, str], survey: ImageSurvey
) -> dict[str, Any]:
    """Return the note about an array. `array` is the SHA-256 of the file of the array."""
    kept = [shape[0] - len(unreadable), *shape[1:]]
    note = {"made_by": "deepgum", "version": _VERSION, "key": key, "shape": kept, "dtype": "uint8", "sha256": array}
    note["ranges"] = {kind: list(ends) for kind, ends in survey.ranges.items()}
    note["orientations"] = [[row, orientation] for row, orientation in survey.orientations.items()]
    return note | {"unreadable": [[row, why] for row, why in unreadable.items()]} if unreadable else note


def _open_valid(
    array: Path, note: Path, key: str, shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], dict[int, str], ImageSurvey] | None:
    """Return the cached crops, the unreadable images and the findings about the files. Return None if the cache has no
    complete array for this key.
    """
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        unreadable = {int(row): str(why) for row, why in content.get("unreadable", ())}
        ranges = {str(kind): (float(low), float(high)) for kind, (low, high) in content["ranges"].items()}
        survey = ImageSurvey(ranges, {int(row): int(orientation) for row, orientation in content["orientations"]})
        made = KeptHashes(array.parent, array.parent).of([array.name])[0]
        if content != _note(key, shape, made, unreadable, survey) or not unreadable.keys() < set(range(shape[0])):
            return None
        # Copy on write: the array cannot change the file, and torch can still wrap it without a warning.
        crops: NDArray[np.uint8] = np.load(array, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, AttributeError, TypeError, KeyError):
        return None
    kept = (shape[0] - len(unreadable), *shape[1:])
    fits = crops.shape == kept and crops.dtype == np.uint8 and crops.flags.c_contiguous
    return (crops, unreadable, survey) if fits else None


def _write_crops(file: IO[bytes], plan: CropPlan, on_progress: Progress | None, *, leave_out: bool) -> dict[int, str]:
    """Write the crops one after the other. Return the images that could not be decoded.

    The result maps the position of such an image to its name and the reason. If `leave_out` is false, such an image is
    an error.
    """
    # Plain writes, not a writable memory map: with a map, a full disk would end the process (bus error).
    _write_header(file, plan.shape)
    unreadable: dict[int, str] = {}
    refused: dict[int, str] = {}  # failures of the system: the image itself may be intact
    with ThreadPoolExecutor(max_workers=2) as pool:  # Pillow releases the interpreter lock while it decodes
        for index, crop in enumerate(_decode_all(plan, pool)):
            if isinstance(crop, UnreadableImageError):
                unreadable[index] = f"{plan.names[index]}: {crop.reason}"
            elif isinstance(crop, OSError):
                refused[index] = f"{plan.names[index]}: {crop}"
            else:
                file.write(crop.tobytes())
            if on_progress is not None:
                on_progress(index + 1, len(plan.names))
    if refused or (unreadable and (not leave_out or len(unreadable) == len(plan.names))):
        raise _refusal(plan, {**unreadable, **refused})
    file.seek(0)
    _write_header(file, (plan.shape[0] - len(unreadable), *plan.shape[1:]))
    return unreadable


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    # NumPy reserves room for any length of the first axis, so the header has the same size for fewer crops.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _refusal(plan: CropPlan, unreadable: dict[int, str]) -> UnreadableImagesError:
    return UnreadableImagesError(
        f"{len(unreadable)} of {len(plan.names)} images in '{plan.folder}' cannot be read:\n  "
        + "\n  ".join(unreadable[row] for row in sorted(unreadable))
    )


def _decode_all(plan: CropPlan, pool: ThreadPoolExecutor) -> Iterator[_Decoded]:
    # Block by block: if the disk is slower than the decoder, at most one block of crops waits in memory.
    for start in range(0, len(plan.names), _BLOCK):
        block = range(start, min(start + _BLOCK, len(plan.names)))
        yield from pool.map(lambda index: _decode(plan, index), block)


def _decode(plan: CropPlan, index: int) -> _Decoded:
    """Return the crop at position `index` of the plan, or the error that was raised while it was decoded."""
    try:
        path, square = plan.folder / plan.names[index], plan.squares[index]
        return read_crop(path, square, plan.image_size, colour=plan.colour, reading=plan.reading)
    except (UnreadableImageError, OSError) as error:
        return error
