"""Instances with k keypoints, of which some are moved: the same material for every format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgum.data.sets.digits import CORNERS, load_digits_landmarks
from deepgum.data.sets.lfw_net import LANDMARKS, TRAIN_LIST, read_list

RATE = 0.1
"""Share of the keypoints that are moved."""
REACH = 0.5
"""Largest distance of a moved keypoint in x and in y, as a share of the width of the box."""
VISIBLE = 0.05
"""A keypoint that is moved by less than this share of the width is not counted: no one would see it."""


@dataclass(frozen=True, eq=False)
class Material:
    """n instances, one per image.

    Attributes
    ----------
    images : Path
        Folder of the images.
    files : list of str, length n
    sizes : array (n, 2)
        Width and height of each image.
    names : tuple of str, length k
    truth, given : arrays (n, k, 2)
        The right places, and the labels, in pixels of the image.
    boxes : array (n, 4)
        Left, top, width and height.
    skeleton : tuple of (int, int)
    """

    images: Path
    files: list[str]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    truth: NDArray[np.float64]
    given: NDArray[np.float64]
    boxes: NDArray[np.float64]
    skeleton: tuple[tuple[int, int], ...]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """The keypoints (n, k) that are visibly moved."""
        return np.asarray(np.linalg.norm(self.given - self.truth, axis=2) > VISIBLE * self.boxes[:, 2:3])


def moved(truth: NDArray[np.float64], boxes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the points, of which a share `RATE` is moved; two decimals, as annotation programs write them."""
    rng = np.random.default_rng(seed)
    chosen = rng.random(truth.shape[:2]) < RATE
    by = rng.uniform(-REACH, REACH, truth.shape) * boxes[:, None, 2:3]
    return (truth + np.where(chosen[..., None], by, 0)).round(2)


def faces(lfw_net: Path, count: int, seed: int) -> Material:
    """Return faces of LFW + NET."""
    lines = [face for face in read_list(lfw_net / TRAIN_LIST) if (lfw_net / face.name).is_file()][:count]
    truth = np.stack([face.points for face in lines])
    boxes = np.array([(left, top, right - left, bottom - top) for left, right, top, bottom in (f.box for f in lines)])
    files = [face.name for face in lines]
    skeleton = ((0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4))
    return Material(
        lfw_net, files, _sizes(lfw_net, files), LANDMARKS, truth, moved(truth, boxes, seed), boxes, skeleton
    )


def digits(folder: Path, count: int, seed: int) -> Material:
    """Return the corners of scikit-learn's digits, with images that are written to a folder."""
    side = 64
    data, _ = load_digits_landmarks(count, 1, seed, side)
    folder.mkdir(parents=True, exist_ok=True)
    files = [f"{row:05d}.png" for row in range(count)]
    for file, pixels in zip(files, np.asarray(data.inputs), strict=True):
        Image.fromarray(pixels[0]).save(folder / file)
    truth = side * data.targets.numpy().astype(np.float64).reshape(count, -1, 2)
    boxes = np.tile([0.0, 0.0, side, side], (count, 1))
    skeleton = ((0, 1), (1, 2), (2, 3), (3, 0))
    return Material(
        folder, files, _sizes(folder, files), tuple(CORNERS), truth, moved(truth, boxes, seed), boxes, skeleton
    )


def _sizes(folder: Path, files: list[str]) -> NDArray[np.int64]:
    sizes = []
    for file in files:
        with Image.open(folder / file) as image:
            sizes.append(image.size)
    return np.array(sizes)
