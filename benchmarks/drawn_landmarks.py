"""Drawn faces with the 68 landmarks of 300-W, some of them wrong, and predictions; nobody's face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from deepgum.data.swap_pairs import SCHEMES

Values = NDArray[np.float64]

SIZE = 250
LINES = [(0, 16), (17, 21), (22, 26), (27, 30), (31, 35)]
RINGS = [(36, 41), (42, 47), (48, 59), (60, 67)]


def arc(x: float, y: float, width: float, height: float, first: float, last: float, n: int) -> Values:
    """Return n points of an ellipse, between two angles in units of pi."""
    angle = np.pi * np.linspace(first, last, n)
    return np.column_stack([x + width * np.cos(angle), y + height * np.sin(angle)])


SHAPE = np.concatenate(
    [
        arc(0, 0.1, 0.45, 0.5, 1, 0, 17),
        arc(-0.2, -0.12, 0.13, 0.06, 1, 2, 5),
        arc(0.2, -0.12, 0.13, 0.06, 1, 2, 5),
        np.column_stack([np.zeros(4), np.linspace(-0.05, 0.16, 4)]),
        np.column_stack([np.linspace(-0.08, 0.08, 5), [0.2, 0.215, 0.22, 0.215, 0.2]]),
        arc(-0.2, -0.04, 0.08, 0.035, 1, 1 + 10 / 6, 6),
        arc(0.2, -0.04, 0.08, 0.035, 1, 1 + 10 / 6, 6),
        arc(0, 0.36, 0.16, 0.07, 1, 1 + 22 / 12, 12),
        arc(0, 0.36, 0.1, 0.03, 1, 1 + 14 / 8, 8),
    ]
)
"""The landmarks (68, 2) of a face of width 1."""


def place(rng: np.random.Generator) -> Values:
    """Return the landmarks of one face, in pixels."""
    turn, width = rng.normal(0, 0.12), rng.uniform(100, 140)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shape = SHAPE * rng.uniform(0.9, 1.1, 2)
    shape[48:, 1] += (shape[48:, 1] - 0.36) * rng.uniform(-0.5, 1)
    points: Values = SIZE / 2 + rng.normal(0, 8, 2) + width * (shape - [0, 0.1]) @ rotation.T
    return points


def draw(rng: np.random.Generator, points: Values) -> Image.Image:
    """Return a picture of a face."""
    skin = rng.uniform(110, 230) * np.array([1, 0.82, 0.68])
    dark = tuple(int(each) for each in 0.4 * skin)
    ground = np.linspace(rng.uniform(40, 200, 3), rng.uniform(40, 200, 3), SIZE)[:, None].repeat(SIZE, 1)
    image = Image.fromarray((ground + rng.normal(0, 6, ground.shape)).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    brow = points[8] + 1.9 * (points[[26, 24, 19, 17]] - points[8])
    pen.polygon([tuple(each) for each in (*points[:17], *brow)], fill=tuple(int(each) for each in skin))
    for first, last in LINES[1:]:
        pen.line([tuple(each) for each in points[first : last + 1]], fill=dark, width=3)
    for first, last in RINGS[:3]:
        ring = points[first : last + 1]
        pen.polygon([tuple(each) for each in ring], fill=(170, 60, 60) if first == 48 else (245, 245, 240))
        if first != 48:
            x, y = ring.mean(axis=0)
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(30, 30, 30))
    return image.filter(ImageFilter.GaussianBlur(1))


def exchanged(points: Values) -> Values:
    """Return the landmarks with left and right exchanged."""
    order = np.arange(68)
    for left, right in SCHEMES["300w-68"][1]:
        order[[left, right]] = right, left
    return points[order]


def write(path: Path, points: Values) -> None:
    """Write a file of 300-W."""
    lines = "".join(f"{x:.2f} {y:.2f}\n" for x, y in points)
    path.write_text(f"version: 1\nn_points: 68\n{{\n{lines}}}\n", encoding="utf-8")


def make(folder: Path, n: int = 300, seed: int = 0) -> tuple[Path, Path]:
    """Write images with labels, and predictions; return their folders."""
    rng = np.random.default_rng(seed)
    labels, predictions = folder / "faces68", folder / "predicted"
    for each in (labels, predictions):
        each.mkdir(parents=True, exist_ok=True)
    for row in range(n):
        points = place(rng)
        draw(rng, points).save(labels / f"face_{row:04d}.png")
        given, kind = points + rng.normal(0, 0.8, points.shape), rng.random()
        if kind < 0.08:
            moved = rng.integers(0, 68, rng.integers(1, 4))
            given[moved] += rng.normal(0, 18, (len(moved), 2))
        elif kind < 0.09:
            given = exchanged(given)
        write(labels / f"face_{row:04d}.pts", given)
        write(predictions / f"face_{row:04d}.pts", points + rng.normal(0, 1.2, points.shape) + rng.normal(0, 1, 2))
    return labels, predictions
