"""FLD, the Fashion Landmark Detection benchmark of DeepFashion: landmarks on clothes.

Z. Liu, S. Yan, P. Luo, X. Wang and X. Tang, "Fashion Landmark Detection in the Wild", ECCV 2016. The paper uses this
data set in section 4.1. The lists (see `deepgum.data.sets.fld_lists`) are beside the folder ``img``. Coordinates are in
pixels of the image, and are used as continuous coordinates (see `deepgum.data.crops`). "Left" and "right" have the same
meaning as in the lists. When an image is mirrored, left and right landmarks change places.

The paper splits the images of each type of clothes at random: 5,000 images are for validation, 5,000 for the test, and
the others for training. `Pool.parts` has the published partition, which the paper does not use. The paper gives errors
in pixels of a network input that is `FLD_PIXELS` pixels wide. Such an error is the error in fractions of the side of
the crop, multiplied by `FLD_PIXELS`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import check_choice, check_count, check_positive
from deepgum.data.crop_cache import CropPlan, Progress
from deepgum.data.crops import Square
from deepgum.data.edits.base import Annotations, Changes, Values
from deepgum.data.edits.carry import carry
from deepgum.data.edits.texts import Edit, NumberStyle, Text, edited
from deepgum.data.listed_images import load_pool, present_rows, usable_rows
from deepgum.data.mirror import Mirror
from deepgum.data.pool import Pool
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.fld_lists import CLOTHES, LANDMARKS, FldLine, read_boxes, read_landmarks, read_partition
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, cut
from deepgum.data.splits import split_sizes
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "BOX_LIST",
    "CLOTHES",
    "FLD_PIXELS",
    "LANDMARKS",
    "LANDMARK_LIST",
    "MIRRORS",
    "PARTITION_LIST",
    "Fld",
    "FldAnnotations",
    "load_fld",
]

LANDMARK_LIST, BOX_LIST = "Anno/list_landmarks.txt", "Anno/list_bbox.txt"
PARTITION_LIST = "Eval/list_eval_partition.txt"

FLD_PIXELS = 224
"""Side of the network input of the paper. The paper gives errors in pixels of this input."""

# Every left landmark is followed by the corresponding right landmark.
MIRRORS: Mapping[str, Mirror] = MappingProxyType(
    {
        clothes: Mirror.landmarks([(i, i + 1) for i in range(0, len(names), 2)], n_landmarks=len(names))
        for clothes, names in LANDMARKS.items()
    }
)
"""Change of the targets when an image is mirrored, for each type of clothes."""

_SOURCE = (
    "The set is the 'Fashion Landmark Detection Benchmark' of DeepFashion, of Z. Liu, S. Yan, P. Luo, X. Wang and "
    "X. Tang's 'Fashion Landmark Detection in the Wild' (ECCV 2016): unpack it so that 'Anno' and 'img' stand side by "
    "side."
)


def load_fld(
    folder: str | os.PathLike[str],
    clothes: str,
    image_size: int,
    *,
    colour: bool = True,
    box_scale: float = 1.0,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
) -> Pool:
    """Return the images of one type of clothes, in the order of the list. Each image is cropped to its box and resized.

    Parameters
    ----------
    folder : path
        Folder that holds the folder ``Anno`` and the image folders that the lists name. The partition in the folder
        ``Eval`` may be missing.
    clothes : {"upper", "lower", "full"}
        Type of clothes.
    image_size : int
        Side of the crops in pixels.
    colour : bool
        If true, crops are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    box_scale : float
        Side of the crop, as a multiple of the longer side of the box around the clothes.
    skip_missing : bool
        Whether to leave out images that do not exist. A warning gives their number.
    skip_unreadable : bool
        Whether to leave out images that cannot be decoded or whose box is empty. A warning gives their number.
    cache_dir : path, optional
        Folder of the cache of decoded crops; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Returns
    -------
    Pool
        The targets are the x and the y of each landmark in ``LANDMARKS[clothes]``, in fractions of the side of the
        crop. The targets of a landmark that is occluded or cut off are NaN (missing). The normaliser is 1. The parts
        are those of the published partition, or None if the partition is missing.

    Raises
    ------
    InvalidParameterError
        If the folder or a list does not exist, or an option is out of range.
    InvalidDataError
        If a list is malformed or lacks an image that the list of landmarks names, or if there are no clothes of this
        type.
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images are missing.
    UnreadableImagesError, DiskFullError
        See `deepgum.data.listed_images.load_pool`.
    """
    root = Path(folder)
    check_choice("clothes", clothes, CLOTHES)
    check_count("image_size", image_size, least=8)
    check_positive("box_scale", box_scale)
    if not all((root / file).is_file() for file in (LANDMARK_LIST, BOX_LIST)):
        raise InvalidParameterError(
            "folder", f"a folder that holds '{LANDMARK_LIST}' and '{BOX_LIST}'", str(root), _SOURCE
        )
    every = read_landmarks(root / LANDMARK_LIST)
    boxes = read_boxes(root / BOX_LIST)
    partition = read_partition(root / PARTITION_LIST) if (root / PARTITION_LIST).is_file() else None
    _check_named(root / LANDMARK_LIST, every, root / BOX_LIST, boxes)
    if partition is not None:
        _check_named(root / LANDMARK_LIST, every, root / PARTITION_LIST, partition)
    lines = [line for line in every if line.clothes == clothes]
    if not lines:
        raise InvalidDataError(
            f"'{root / LANDMARK_LIST}' should have lines for images of {clothes}-body clothes. Found none."
        )
    there = present_rows(root, {LANDMARK_LIST: [line.name for line in lines]}, skip_missing, _SOURCE)
    lines = [lines[row] for row in there[LANDMARK_LIST]]
    names = [line.name for line in lines]
    full = [left < right and top < bottom for left, top, right, bottom in (boxes[name] for name in names)]
    rule = f"The boxes in '{root / BOX_LIST}' should have x_1 < x_2 and y_1 < y_2."
    lines = [lines[row] for row in usable_rows(names, full, rule, skip_unreadable)]
    squares = []
    for line in lines:
        left, top, right, bottom = boxes[line.name]
        squares.append(Square.around(left, right, top, bottom, scale=box_scale))
    return load_pool(
        CropPlan(root, tuple(line.name for line in lines), tuple(squares), image_size, colour),
        np.stack([_targets(line, square) for line, square in zip(lines, squares, strict=True)]),
        [f"{landmark}_{axis}" for landmark in LANDMARKS[clothes] for axis in "xy"],
        mirror=MIRRORS[clothes],
        parts=None if partition is None else [partition[line.name] for line in lines],
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
    )


def _check_named(landmark_list: Path, lines: list[FldLine], path: Path, named: Container[str]) -> None:
    """Check that the list at `path` names every image of the list of landmarks.

    `named` has the names in the list at `path`.
    """
    missing = [line for line in lines if line.name not in named]
    if missing:
        raise InvalidDataError(
            f"'{landmark_list}', line {missing[0].number}: '{path}' should have a line for the image "
            f"{missing[0].name!r}. Found no line for {len(missing)} of {len(lines)} images."
        )


def _targets(line: FldLine, square: Square) -> NDArray[np.float64]:
    """Return the targets x y x y ... of an image, in fractions of the side of the crop. Invisible landmarks are NaN."""
    return np.where(line.visibility[:, None] == 0, square.fractions(line.points), np.nan).reshape(-1)


VISIBLE, OCCLUDED = "0", "1"
_FIRST = 3  # fields before the landmarks: name, type of clothes, variation


@dataclass(frozen=True, eq=False)
class FldAnnotations(Annotations):
    """Landmarks on one type of clothes, in pixels of the image. NaN marks a landmark that is not visible.

    A landmark whose label is deleted is written as occluded, with its old coordinates. A landmark that gets a label is
    written as visible. If one coordinate of a landmark is missing, the whole landmark is missing.
    """

    keeps_missing = True

    text: Text = field(default_factory=lambda: Text(""))
    numbers: tuple[int, ...] = ()
    """Number of the line of each sample, counted from 1."""
    images: tuple[str, ...] = ()
    """Names of the images of all types of clothes."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the list of landmarks to a folder, and put the other lists and the images into the same folder."""
        lines = io.StringIO(self.text.content, newline="").readlines()
        fields = [[match.span() for match in re.finditer(r"\S+", line)] for line in lines]
        of_samples = [number - 1 for number in self.numbers]
        style = NumberStyle.of(
            lines[place][a:b] for place in of_samples for axis in (1, 2) for a, b in fields[place][_FIRST + axis :: 3]
        )
        for row, place in enumerate(of_samples):
            labels = changes.get(self.ids[row])
            if labels is not None:
                lines[place] = edited(lines[place], _edits(self.values[row], labels, fields[place][_FIRST:], style))
        Text("".join(lines), self.text.mark).write(out / LANDMARK_LIST)
        lists = carry(self.source, {name: name for name in (BOX_LIST, PARTITION_LIST)}, out, link=False)
        return lists + carry(self.source, {name: name for name in self.images}, out)


def _values(line: FldLine) -> Values:
    return np.where(line.visibility[:, None] == 0, line.points, np.nan).reshape(-1)


def _edits(before: Values, after: Values, fields: list[tuple[int, int]], style: NumberStyle) -> list[Edit]:
    """Return the edits that change the fields visibility, x and y of one line from the old to the new labels."""
    edits: list[Edit] = []
    for place, (old, new) in enumerate(zip(before.reshape(-1, 2), after.reshape(-1, 2), strict=True)):
        visibility, *axes = fields[3 * place : 3 * place + 3]
        if np.isnan(new).any():
            if not np.isnan(old).any():
                edits.append((*visibility, OCCLUDED))
            continue
        if np.isnan(old).any():
            edits.append((*visibility, VISIBLE))
        edits += [(*span, style.text(b)) for span, a, b in zip(axes, old, new, strict=True) if a != b]
    return edits


class Fld(Dataset):
    """FLD. The option `clothes` selects one type of clothes."""

    name = "fld"
    description = f"fashion landmarks (section 4.1); options: clothes = {', '.join(CLOTHES)}"
    image_size = 224
    groups = "landmark"
    measure = Measure("px of 224", factor=float(FLD_PIXELS))
    options = MappingProxyType({"clothes": CLOTHES[0]})
    choices = MappingProxyType({"clothes": CLOTHES})
    label_options = ("clothes",)

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the images of one type of clothes, in the order of the list."""
        return load_fld(request.path, request.options["clothes"], **request.images)

    def load(self, request: Request, seed: int) -> Subset:
        """Split the images at random (section 4.1 of the paper).

        By default, 5,000 images are for validation and 5,000 for the test. All other images are for training.
        """
        pool = self.pool(request, seed)
        validation, test = (5000 if size is None else size for size in (request.validation_size, request.test_size))
        return cut(pool, split_sizes(len(pool), validation, test, seed), request, seed)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has the list of landmarks."""
        return (path / LANDMARK_LIST).is_file()

    def labels(self, path: Path, options: Mapping[str, Any]) -> FldAnnotations:
        """Read the landmarks of one type of clothes, given by the option `clothes`.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the list of landmarks does not exist, is malformed, or has no clothes of this type.
        """
        clothes = options["clothes"]
        if not (path / LANDMARK_LIST).is_file():
            raise InvalidParameterError("data", f"a folder that holds '{LANDMARK_LIST}'", str(path))
        every = read_landmarks(path / LANDMARK_LIST)
        lines = [line for line in every if line.clothes == clothes]
        if not lines:
            raise InvalidDataError(
                f"'{path / LANDMARK_LIST}' should have lines for images of {clothes}-body clothes. Found none."
            )
        return FldAnnotations(
            source=path,
            ids=tuple(line.name for line in lines),
            names=tuple(f"{landmark}_{axis}" for landmark in LANDMARKS[clothes] for axis in "xy"),
            values=np.stack([_values(line) for line in lines]),
            text=Text.read(path / LANDMARK_LIST),
            numbers=tuple(line.number for line in lines),
            images=tuple(line.name for line in every),
        )
