r"""LFW + NET, the facial landmark set of Sun, Wang and Tang, in its published form.

Y. Sun, X. Wang and X. Tang, "Deep Convolutional Network Cascade for Facial Point Detection", CVPR 2013. The paper uses
this data set in section 4.4. A line of a list has the form

    lfw_5590\NAME.jpg left right top bottom x1 y1 x2 y2 x3 y3 x4 y4 x5 y5

The path has a backslash, and the order of the box is left, right, top, bottom. The points are the left eye, the right
eye, the tip of the nose, and the left and the right corner of the mouth. "Left" means the side of the smaller x in the
image. Numbers are in pixels of the original image. The loader uses these numbers as continuous coordinates, where 0 is
the left edge of the first pixel (see `deepgum.data.crops`). If the numbers were indices of pixels, the labels of a face
and of the mirrored face would differ by one pixel of the original image. In a linear fit to faces and mirrored faces
the difference is less than 0.3 % of the width of the crop. A prediction is a failure if its error is above 5 % of the
width of the box.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.checks import check_count, check_positive
from deepgum.data.crop_cache import CropPlan, Progress
from deepgum.data.crops import Square
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.edits.carry import carry
from deepgum.data.edits.texts import NumberStyle, Text, edited
from deepgum.data.listed_images import present_rows, readable_crops
from deepgum.data.mirror import Mirror
from deepgum.data.pictures import Pictures
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, split
from deepgum.errors import InvalidDataError, InvalidParameterError, UnreadableImagesError

__all__ = [
    "LANDMARKS",
    "MIRROR",
    "TEST_LIST",
    "TRAIN_LIST",
    "Face",
    "LfwNet",
    "LfwNetAnnotations",
    "check_folder",
    "load_lfw_net",
    "read_list",
]

TRAIN_LIST, TEST_LIST = "trainImageList.txt", "testImageList.txt"
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
MIRROR = Mirror.landmarks(swap_pairs=[(0, 1), (3, 4)], n_landmarks=5)

_SOURCE = (
    "The set is the training set on the page of Y. Sun, X. Wang and X. Tang's 'Deep Convolutional Network Cascade for "
    "Facial Point Detection' (CVPR 2013): unpack it so that the two lists stand beside 'lfw_5590' and 'net_7876'."
)


@dataclass(frozen=True)
class Face:
    """One line of a list: name of the image file, box (left, right, top, bottom) and points (5, 2), in pixels."""

    name: str
    box: tuple[float, float, float, float]
    points: NDArray[np.float64]


def load_lfw_net(
    folder: str | os.PathLike[str],
    image_size: int = 48,
    colour: bool = False,
    box_scale: float = 1.1,
    skip_missing: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
    skip_unreadable: bool = False,
) -> tuple[RegressionData, RegressionData]:
    """Return the pair (training set, test set) of the official lists. Each face is cropped and resized.

    Parameters
    ----------
    folder : path
        Folder that holds ``trainImageList.txt``, ``testImageList.txt`` and the image folders that these lists name.
    image_size : int
        Side of the crops in pixels.
    colour : bool
        If true, crops are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    box_scale : float
        Side of the crop, as a multiple of the longer side of the box around the face.
    skip_missing : bool
        Whether to leave out images that do not exist. A warning gives their number.
    cache_dir : path, optional
        Folder of the cache of decoded crops; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded. It is not called for images in the cache.
    skip_unreadable : bool
        Whether to leave out images that cannot be decoded. A warning gives their number.

    Returns
    -------
    train, test : RegressionData
        The samples have ten targets: the x and the y of each landmark, in the order of `LANDMARKS`, in fractions of the
        side of the crop. The normaliser is the width of the box around the face, in the same unit. Sun et al. also
        divide errors by this width.

    Raises
    ------
    InvalidParameterError
        If the folder or a list does not exist, or an option is out of range.
    InvalidDataError
        If a line of a list is malformed.
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images of a list are missing.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set, or if a list has no image that can be decoded.
    DiskFullError
        If the disk of the cache cannot hold the crops.
    """
    root = Path(folder)
    check_count("image_size", image_size, least=8)
    check_positive("box_scale", box_scale)
    check_folder("folder", root)
    lists = {name: read_list(root / name) for name in (TRAIN_LIST, TEST_LIST)}
    names = {name: [face.name for face in faces] for name, faces in lists.items()}
    present = present_rows(root, names, skip_missing, _SOURCE)
    faces = [lists[name][row] for name, rows in present.items() for row in rows]
    squares = tuple(Square.around(*face.box, scale=box_scale) for face in faces)
    plan = CropPlan(root, tuple(face.name for face in faces), squares, image_size, colour)
    crops, rows, _, _ = readable_crops(plan, skip_unreadable, cache_dir, on_progress)
    n_train = sum(row < len(present[TRAIN_LIST]) for row in rows)
    if not 0 < n_train < len(rows):
        empty = TEST_LIST if n_train else TRAIN_LIST
        raise UnreadableImagesError(f"'{root}' should hold images of '{empty}' that can be decoded. Found none.")
    faces, squares = [faces[row] for row in rows], tuple(squares[row] for row in rows)
    return (
        _assemble(root, crops[:n_train], faces[:n_train], squares[:n_train]),
        _assemble(root, crops[n_train:], faces[n_train:], squares[n_train:]),
    )


def check_folder(name: str, folder: Path) -> None:
    """Check that a folder has the training list and the test list. `name` is the parameter that gives the folder.

    Raises
    ------
    InvalidParameterError
        If a list is missing. The message names the parameter, and explains where to get the data set.
    """
    if not all((folder / file).is_file() for file in (TRAIN_LIST, TEST_LIST)):
        expected = f"a folder that holds '{TRAIN_LIST}' and '{TEST_LIST}'"
        raise InvalidParameterError(name, expected, str(folder), _SOURCE)


def read_list(path: Path) -> list[Face]:
    """Return the faces of a list, in the order of the list.

    Raises
    ------
    InvalidDataError
        If the list is empty or a line is malformed. The message names the file and the line.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    faces = [_parse(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not faces:
        raise InvalidDataError(f"The list '{path}' should have at least one line. Found none. {_SOURCE}")
    return faces


def _parse(line: str, path: Path, number: int) -> Face:
    name, *fields = line.strip().rsplit(maxsplit=14)
    try:
        values = np.array(fields, dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    valid = len(values) == 14 and bool(np.isfinite(values).all())
    if not valid or values[0] >= values[1] or values[2] >= values[3]:
        raise InvalidDataError(
            f"'{path}', line {number}: a line should be 'folder\\name.jpg left right top bottom x1 y1 ... x5 y5', with "
            f"left < right and top < bottom. Found {line.strip()!r}."
        )
    left, right, top, bottom = values[:4].tolist()
    return Face(name.replace("\\", "/"), (left, right, top, bottom), values[4:].reshape(5, 2))


def _assemble(root: Path, crops: NDArray[np.uint8], faces: list[Face], squares: tuple[Square, ...]) -> RegressionData:
    points = np.stack([square.fractions(face.points) for square, face in zip(squares, faces, strict=True)])
    widths = [(face.box[1] - face.box[0]) / square.side for square, face in zip(squares, faces, strict=True)]
    return RegressionData(
        inputs=crops,
        targets=torch.from_numpy(points.reshape(len(faces), -1)).to(torch.float32),
        ids=tuple(face.name for face in faces),
        target_names=tuple(f"{landmark}_{axis}" for landmark in LANDMARKS for axis in "xy"),
        normaliser=torch.tensor(widths, dtype=torch.float32),
        mirror=MIRROR,
        pictures=Pictures(root, tuple(face.name for face in faces), squares),
    )


COORDINATES = 2 * len(LANDMARKS)


@dataclass(frozen=True, eq=False)
class LfwNetAnnotations(Annotations):
    """The five points of each face, in pixels of the image. The format of the lists has no mark for a missing point."""

    keeps_missing = False

    lists: Mapping[str, Text] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the two lists with the new labels to a folder, and put the images into the same folder."""
        dropped = set(self.left_out(changes))
        for file, text in self.lists.items():
            lines = text.content.splitlines(keepends=True)
            places = [[match.span() for match in re.finditer(r"\S+", line)][-COORDINATES:] for line in lines]
            style = NumberStyle.of(line[a:b] for line, spans in zip(lines, places, strict=True) for a, b in spans)
            kept = []
            for line, spans in zip(lines, places, strict=True):
                name = _name(line)
                if name in changes and name not in dropped:
                    before, after = self.values[self.rows[name]], changes[name]
                    line = edited(
                        line,
                        [(*span, style.text(b)) for span, a, b in zip(spans, before, after, strict=True) if a != b],
                    )
                if name not in dropped:
                    kept.append(line)
            if not any(map(str.strip, kept)):
                raise InvalidDataError(f"'{file}' should keep at least one line. All of its samples are dropped.")
            Text("".join(kept), text.mark).write(out / file)
        return carry(self.source, {name: name for name in self.ids if name not in dropped}, out)


def _name(line: str) -> str:
    """Return the id of the sample in a line of a list, as in `read_list`. For a blank line, return an empty string."""
    name, *_ = line.strip().rsplit(maxsplit=14) or [""]
    return name.replace("\\", "/")


class LfwNet(Dataset):
    """LFW + NET with the two official lists."""

    name = "lfw-net"
    description = "five facial landmarks, LFW + NET of Sun et al. (section 4.4)"
    image_size = 48
    groups = "landmark"
    measure = Measure("of the crop's side")

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the faces of the training list, and then the faces of the test list."""
        return Pool.of_parts(*self._lists(request))

    def load(self, request: Request, seed: int) -> Subset:
        """Return the samples of the official lists.

        The samples of the training list are divided at random into training and validation samples. The samples of the
        test list are the test samples.
        """
        train, test = self._lists(request)
        return split(train, test, request, seed)

    def _lists(self, request: Request) -> tuple[RegressionData, RegressionData]:
        # "data" is the name of the folder in a configuration.
        check_folder("data", request.path)
        return load_lfw_net(request.path, **request.images)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has the training list and the test list."""
        return all((path / file).is_file() for file in (TRAIN_LIST, TEST_LIST))

    def labels(self, path: Path, options: Mapping[str, Any]) -> LfwNetAnnotations:
        """Read the training list, and then the test list.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If a list does not exist or is malformed.
        """
        check_folder("data", path)
        faces = [face for file in (TRAIN_LIST, TEST_LIST) for face in read_list(path / file)]
        return LfwNetAnnotations(
            source=path,
            ids=tuple(face.name for face in faces),
            names=tuple(f"{landmark}_{axis}" for landmark in LANDMARKS for axis in "xy"),
            values=np.stack([face.points.reshape(-1) for face in faces]),
            lists={file: Text.read(path / file) for file in (TRAIN_LIST, TEST_LIST)},
        )
