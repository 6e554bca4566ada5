"""Checks that the images of a list exist and can be read, and the pool of the images that pass these checks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.data.crop_cache import CropPlan, Progress, ReadableCrops, load_readable_crops
from deepgum.data.crops import Square
from deepgum.data.image_reading import ImageReading, ImageSurvey
from deepgum.data.instance_squares import instance_squares
from deepgum.data.keypoint_images import image_sizes
from deepgum.data.mirror import Mirror
from deepgum.data.orientation import orientation_notice
from deepgum.data.point_units import check_unit, pixels_per_unit, small_notice, unit_notice
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.errors import DeepGUMWarning, InvalidDataError, MissingImagesError, listing

__all__ = ["image_names", "load_pool", "load_whole_images", "present_rows", "readable_crops", "usable_rows"]

_SUFFIXES = (".jpg", ".jpeg", ".png")


def image_names(folder: Path) -> list[str]:
    """Return the sorted names of the image files in a folder, without hidden files and without files of subfolders."""
    names = (entry.name for entry in folder.iterdir() if entry.is_file())
    return sorted(name for name in names if name.lower().endswith(_SUFFIXES) and not name.startswith("."))


def present_rows(
    root: Path,
    lists: Mapping[str, Sequence[str]],
    skip_missing: bool,
    source: str,
    exists: Callable[[str], bool] | None = None,
    stacklevel: int = 3,
) -> dict[str, list[int]]:
    """Return, for each list of images, the positions of the images that exist.

    Parameters
    ----------
    root : Path
        Folder of the images. The names of the images are relative to this folder.
    lists : mapping of str to sequence of str
        The name of each list, mapped to the names of the images in the list.
    skip_missing : bool
        If true, missing images are left out, and a `DeepGUMWarning` gives their number and the first names. If false,
        a missing image is an error.
    source : str
        A full sentence on where to get the data set, for the error message.
    exists : callable, optional
        Function ``exists(name)`` that returns whether the image with this name exists. By default it looks for the
        file.
    stacklevel : int
        See `warnings.warn`. By default, a warning points to the code that called the loader, where the loader is the
        function that calls `present_rows`.

    Raises
    ------
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images of a list are missing.
    """
    is_present = exists or (lambda name: (root / name).is_file())
    present = {title: [row for row, name in enumerate(names) if is_present(name)] for title, names in lists.items()}
    reports = []
    for title, names in lists.items():
        kept = set(present[title])
        missing = [name for row, name in enumerate(names) if row not in kept]
        if missing:
            reports.append(f"{len(missing)} of the {len(names)} images of '{title}': {listing(missing)}")
    if not reports:
        return present
    report = "; ".join(reports)
    if not all(present.values()):
        raise MissingImagesError(f"'{root}' should hold images of every list. Missing: {report}. {source}")
    if not skip_missing:
        hint = "Set skip_missing=True (--skip-missing) to continue without them."
        raise MissingImagesError(f"'{root}' is incomplete. Missing: {report}. {hint} {source}")
    warnings.warn(f"'{root}' is incomplete. Left out: {report}.", DeepGUMWarning, stacklevel=stacklevel)
    return present


def usable_rows(names: Sequence[str], usable: Sequence[bool], rule: str, skip_unreadable: bool) -> list[int]:
    """Return the positions of the images whose labels can be used.

    Parameters
    ----------
    names : sequence of str, length n
        Names of the images.
    usable : sequence of bool, length n
        Whether the label of each image can be used.
    rule : str
        A full sentence for the message: the condition that the label of each image must meet.
    skip_unreadable : bool
        If true, images that are not usable are left out, and a `DeepGUMWarning` gives their number and the first names.
        If false, an image that is not usable is an error.

    Raises
    ------
    InvalidDataError
        If an image is not usable and `skip_unreadable` is not set, or if no image is usable.

    Examples
    --------
    >>> usable_rows(["a.jpg", "b.jpg"], [True, True], "An image should have an age.", skip_unreadable=False)
    [0, 1]
    >>> usable_rows(["a.jpg", "b.jpg"], [True, False], "An image should have an age.", skip_unreadable=False)
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: An image should have an age. Found 1 of 2 images that break this: b.jpg. Set ...
    """
    unusable = [name for name, is_usable in zip(names, usable, strict=True) if not is_usable]
    if unusable:
        found = f"{rule} Found {len(unusable)} of {len(names)} images that break this: {listing(unusable)}."
        if len(unusable) == len(names):
            raise InvalidDataError(found)
        if not skip_unreadable:
            raise InvalidDataError(f"{found} Set skip_unreadable=True (--skip-unreadable) to leave them out.")
        warnings.warn(f"{found} They are left out.", DeepGUMWarning, stacklevel=3)
    return [row for row, is_usable in enumerate(usable) if is_usable]


def readable_crops(
    plan: CropPlan,
    skip_unreadable: bool,
    cache_dir: str | os.PathLike[str] | None,
    on_progress: Progress | None,
    stacklevel: int = 3,
) -> ReadableCrops:
    """Return the crops (m, c, h, w) of the images that can be read, and the m positions of these images in the plan.

    With `skip_unreadable`, images that cannot be decoded are left out, and a `DeepGUMWarning` gives their number and
    the first names.

    Raises
    ------
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set. For further reasons, see `load_readable_crops`.
    """
    readable = load_readable_crops(plan, cache_dir, on_progress, leave_out=skip_unreadable)
    if readable.unreadable:
        count, names = len(readable.unreadable), listing(list(readable.unreadable.values()))
        report = f"{count} of {len(plan.names)} images in '{plan.folder}' cannot be read and are left out"
        warnings.warn(f"{report}: {names}.", DeepGUMWarning, stacklevel=stacklevel)
    return readable


def load_pool(
    plan: CropPlan,
    targets: NDArray[np.float64],
    target_names: Sequence[str],
    *,
    mirror: Mirror | None,
    ids: Sequence[str] | None = None,
    keep_together: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
    notices: Callable[[ImageSurvey], Sequence[str]] | None = None,
    stacklevel: int = 3,
) -> Pool:
    """Return the pool of the n images of a plan with their labels. The normaliser of every sample is 1.

    Parameters
    ----------
    plan : CropPlan
        The n image files, their squares, and the size of the crops.
    targets : array, shape (n, d)
        Labels; NaN marks a missing label.
    target_names : sequence of str, length d
        Names of the targets.
    mirror : Mirror or None
        Change of the targets when an image is mirrored; None if images must not be mirrored.
    ids : sequence of str, length n, optional
        Names of the samples; by default the names of the image files.
    keep_together, parts : sequence of str, length n, optional
        See `Pool`.
    skip_unreadable, cache_dir, on_progress, stacklevel
        See `readable_crops`.
    notices : callable, optional
        Function ``notices(survey)`` that returns the notices of the pool. It gets the findings about the files of the
        plan. Each notice is also given as a `DataNotice`, a warning.

    Raises
    ------
    UnreadableImagesError, InvalidParameterError, DiskFullError
        See `readable_crops` and `load_crops`.
    """
    crops, rows, _, survey = readable_crops(plan, skip_unreadable, cache_dir, on_progress, stacklevel + 1)

    def kept(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(values[row] for row in rows)

    data = RegressionData(
        inputs=crops,
        targets=torch.from_numpy(np.ascontiguousarray(targets[rows], dtype=np.float32)),
        ids=kept(plan.names if ids is None else ids),
        target_names=tuple(target_names),
        normaliser=torch.ones(len(rows)),
        mirror=mirror,
        pictures=replace(plan.pictures.subset(rows), reading=replace(plan.reading, ranges=survey.ranges)),
    )
    groups, parts = (None if each is None else kept(each) for each in (keep_together, parts))
    return Pool(data, groups, parts).with_notices([] if notices is None else notices(survey), stacklevel + 1)


def load_whole_images(
    folder: Path,
    names: Sequence[str],
    targets: NDArray[np.float64],
    target_names: Sequence[str],
    *,
    landmarks: bool = False,
    apply_orientation: bool = False,
    coordinates: str = "",
    boxes: NDArray[np.float64] | None = None,
    mirror: Mirror | None = None,
    ids: Sequence[str] | None = None,
    keep_together: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
    title: str = "",
    source: str = "",
    image_size: int = 64,
    colour: bool = True,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
    stacklevel: int = 3,
) -> Pool:
    """Return the pool of images with their labels. A square around each image or box is cut out and resized.

    Parameters
    ----------
    folder : Path
        Folder of the images.
    names : sequence of str, length n
        Image files, relative to the folder.
    targets : array, shape (n, d)
        Labels; NaN marks a missing label.
    target_names : sequence of str, length d
        Names of the targets.
    landmarks : bool
        Whether the targets are landmarks x y x y ..., in pixels of the image file (see `deepgum.data.crops`). Landmarks
        are converted to fractions of the side of the square. Other targets stay unchanged.
    apply_orientation : bool
        Whether images are turned as their files say (EXIF). Landmarks then are in pixels of the turned images. If it is
        false and files note an orientation, a `DataNotice` says so.
    coordinates : {"", "pixel", "fraction", "percent"}
        Unit of landmarks and boxes. Empty for pixels, with a check that they are no fractions.
    boxes : array, shape (n, 4), optional
        Left, top, width and height of the object in each image, NaN if unknown. The square is that of
        `deepgum.data.instance_squares.instance_squares`. By default it is the smallest square around the whole image.
    mirror : Mirror, optional
        Change of the targets when an image is mirrored. By default images are not mirrored.
    ids : sequence of str, length n, optional
        Names of the samples; by default the names of the image files.
    keep_together, parts : sequence of str, length n, optional
        See `deepgum.data.Pool`.
    title : str
        Name of the list of images, for messages; by default the name of the folder.
    source : str
        A full sentence on where to get the images, for messages.
    image_size, colour, skip_missing, skip_unreadable, cache_dir, on_progress
        See `deepgum.data.Request`.
    stacklevel : int
        See `present_rows`.

    Raises
    ------
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images are missing.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set, or if no image can be decoded.
    """
    list_name = title or folder.name
    rows = present_rows(folder, {list_name: names}, skip_missing, source, stacklevel=stacklevel + 1)[list_name]

    def present(values: Sequence[str] | None) -> list[str] | None:
        return None if values is None else [values[row] for row in rows]

    labels, listed = targets[rows], [names[row] for row in rows]
    reading = ImageReading(apply_orientation)
    squares: list[Square | None] = [None] * len(rows)  # the whole image
    points, sizes, found = None, np.full((len(rows), 2), np.nan), []
    if landmarks or boxes is not None:
        sizes = image_sizes(folder, listed, reading)
    if landmarks:
        check_unit(labels, sizes, coordinates)
        points = labels * np.tile(pixels_per_unit(coordinates, sizes), labels.shape[1] // 2)
        found = [unit_notice(labels, sizes, coordinates)]
    if boxes is not None:
        # Labels must not choose the square: a wrong label would lie in the middle of its own square.
        nowhere = np.full((len(rows), 1, 2), np.nan)
        squares = instance_squares(nowhere, boxes[rows] * np.tile(pixels_per_unit(coordinates, sizes), 2), sizes)
    elif points is not None:
        squares = [None if w != w else Square.around(0, w, 0, h, scale=1) for w, h in sizes.tolist()]
        found.append(small_notice(points, sizes, image_size))
    if points is not None:
        labels = _fractions(points, squares)

    def notices(survey: ImageSurvey) -> list[str]:
        orientation = orientation_notice(
            listed,
            sorted(survey.orientations),
            applied=apply_orientation,
            points=points if coordinates in ("", "pixel") else None,
            sizes={row: (int(w), int(h)) for row, (w, h) in enumerate(sizes.tolist()) if w == w},
        )
        return [notice for notice in (orientation, *found) if notice]

    return load_pool(
        CropPlan(folder, tuple(listed), tuple(squares), image_size, colour, reading),
        labels,
        target_names,
        mirror=mirror,
        ids=present(ids),
        keep_together=present(keep_together),
        parts=present(parts),
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
        notices=notices,
        stacklevel=stacklevel + 1,
    )


def _fractions(points: NDArray[np.float64], squares: Sequence[Square | None]) -> NDArray[np.float64]:
    """Convert the points (n, d) of n images from pixels to fractions of the side of the square of each image."""
    fractions = np.full_like(points, np.nan)
    for row, square in enumerate(squares):
        if square is not None:
            fractions[row] = square.fractions(points[row].reshape(-1, 2)).ravel()
    return fractions
