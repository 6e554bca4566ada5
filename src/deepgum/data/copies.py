"""Identical samples: the same image, or the same features; and parts of a split that share images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError
from deepgum.storage.hashes import file_sha256

__all__ = ["ContentGroups", "check_parts", "content_groups", "rows_of_equal"]


@dataclass(frozen=True)
class ContentGroups:
    """Groups of samples with identical content: the same image, or the same features.

    Attributes
    ----------
    groups : tuple of tuples of int
        One tuple for each group of identical samples: the rows of the samples. The groups are in the order of the first
        row of each group. A sample that is identical to no other sample is in no group.
    unreadable : mapping of int to str
        For each row with a file that cannot be read: the error message of the operating system. Such rows are in no
        group.
    """

    groups: tuple[tuple[int, ...], ...]
    unreadable: Mapping[int, str] = field(default_factory=dict)


def content_groups(contents: Pictures | NDArray[Any] | Tensor) -> ContentGroups:
    """Find groups of samples with identical content.

    Parameters
    ----------
    contents : Pictures, or array or tensor (n, ...)
        Two samples with image files are identical if the files have equal bytes and the square crops are equal. Two
        faces in one image are therefore not identical. Two rows of an array are identical if their bytes are equal.

    Returns
    -------
    ContentGroups

    Examples
    --------
    >>> content_groups(torch.tensor([[1, 2], [3, 4], [1, 2]])).groups
    ((0, 2),)
    """
    if isinstance(contents, Pictures):
        return _picture_groups(contents)
    return ContentGroups(rows_of_equal([_digest_of_row(contents[row : row + 1]) for row in range(len(contents))]))


def rows_of_equal(keys: Sequence[Hashable]) -> tuple[tuple[int, ...], ...]:
    """Return the rows with equal keys, one tuple for each key that several rows have.

    Examples
    --------
    >>> rows_of_equal(["a", "b", "a", "c"])
    ((0, 2),)
    """
    return _group_rows(dict(enumerate(keys)))


def check_parts(pictures: Pictures, ids: Sequence[str], parts: Sequence[str], title: str) -> None:
    """Refuse parts of a split that share an image: the same file, or two files with the same bytes.

    Parameters
    ----------
    pictures : Pictures
        The images of n samples.
    ids, parts : sequences of str, length n
        The id and the part of each sample.
    title : str
        The name of the table that has the parts, for the message.

    Raises
    ------
    InvalidDataError
        If two samples with the same image are in different parts. The message names them.
    """
    divided = [rows for rows in content_groups(pictures).groups if len({parts[row] for row in rows}) > 1]
    if not divided:
        return
    examples = "; ".join(" and ".join(f"{ids[row]!r} ({parts[row]})" for row in rows[:3]) for rows in divided[:3])
    more = f" Found {len(divided)} such images, such as {examples}" if len(divided) > 3 else f" Found {examples}"
    raise InvalidDataError(
        f"'{title}' should have all samples of one image, and of copies of an image, in the same part.{more}. The "
        "network would learn images on which it is tested. Give these samples the same part, or remove all but one."
    )


def _picture_groups(pictures: Pictures) -> ContentGroups:
    rows_of: dict[Path, list[int]] = defaultdict(list)
    for row in range(len(pictures)):
        rows_of[pictures.file(row)].append(row)
    sizes: dict[int, list[Path]] = defaultdict(list)
    failures: dict[Path, str] = {}
    for path in rows_of:
        try:
            sizes[path.stat().st_size].append(path)
        except OSError as error:
            failures[path] = str(error)
    files: dict[Path, Hashable] = {}
    for paths in sizes.values():
        for path in paths:
            try:
                # A file of a unique size has no copy and need not be read.
                files[path] = path if len(paths) == 1 else file_sha256(path)
            except OSError as error:
                failures[path] = str(error)
    keys = {
        row: (files[path], pictures.squares[row]) for path, rows in rows_of.items() if path in files for row in rows
    }
    unreadable = {row: failures[path] for path in failures for row in rows_of[path]}
    return ContentGroups(_group_rows(keys), dict(sorted(unreadable.items())))


def _digest_of_row(values: NDArray[Any] | Tensor) -> str:
    if isinstance(values, Tensor):
        values = values.contiguous().view(torch.uint8).numpy()  # NumPy has no bfloat16
    return hashlib.sha256(values.tobytes()).hexdigest()


def _group_rows(keys: Mapping[int, Hashable]) -> tuple[tuple[int, ...], ...]:
    rows_of: dict[Hashable, list[int]] = defaultdict(list)
    for row in sorted(keys):
        rows_of[keys[row]].append(row)
    return tuple(tuple(rows) for rows in rows_of.values() if len(rows) > 1)
