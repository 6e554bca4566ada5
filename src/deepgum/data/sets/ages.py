"""Functions for all data sets of ages: ages at the start of file names, and targets in years."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deepgum.data.edits.base import ROUNDED, Annotations, Changes
from deepgum.data.edits.carry import carry
from deepgum.data.edits.texts import NumberStyle
from deepgum.data.mirror import Mirror
from deepgum.errors import InvalidDataError

__all__ = ["AGE", "MIRROR", "OLDEST", "NamedAges", "ages_in_names", "plausible"]

AGE = ("age",)
"""Name of the target."""

MIRROR = Mirror(permutation=(0,), sign=(1.0,), offset=(0.0,))
"""Change of the targets when an image is mirrored: the age stays the same."""

OLDEST = 120
"""Largest accepted age. A larger age is a mistake in a file name or a table, and raises an error. Smaller wrong ages
are accepted, because the mixture finds them."""


def ages_in_names(names: Iterable[str]) -> NDArray[np.float64]:
    """Return the age in years in each file name: the whole number before the first underscore.

    The age is NaN if the name does not begin with a whole number and an underscore.

    Examples
    --------
    >>> ages_in_names(["26_1_0_20170117.jpg.chip.jpg", "39_1.jpg", "face_26.jpg", "26.jpg", "-3_0.jpg"])
    array([26., 39., nan, nan, nan])
    """
    matches = (re.match(r"([0-9]+)_", name) for name in names)
    return np.array([float(match[1]) if match else np.nan for match in matches])


def plausible(ages: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each age is a number from 0 to `OLDEST`.

    Examples
    --------
    >>> plausible(np.array([0.0, 120.0, 121.0, -1.0, np.nan])).tolist()
    [True, True, False, False, False]
    """
    within: NDArray[np.bool_] = (ages >= 0) & (ages <= OLDEST)
    return within


_AGE = re.compile("([0-9]+)_")


@dataclass(frozen=True, eq=False)
class NamedAges(Annotations):
    """Ages at the start of file names, in whole years from 0 to `OLDEST`. A name cannot mark an age as missing."""

    keeps_missing = False

    files: tuple[str, ...] = ()
    """File name of each sample, relative to `source` / `inside`, in exactly the form of the file system."""
    inside: str = ""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the images to a folder, under names that begin with their new ages."""
        dropped = set(self.left_out(changes))
        style = NumberStyle.of(match[1] for match in map(_AGE.match, self.files) if match)
        kept = [(name, file) for name, file in zip(self.ids, self.files, strict=True) if name not in dropped]
        names = {file: file for name, file in kept if name not in changes}
        taken, notes = set(names), dict[str, None]()
        for name, file in kept:
            if name in changes:
                (age,) = changes[name].tolist()
                new, clash = _free(_renamed(file, _whole(name, age), style), taken)
                names[file] = new
                taken.add(new)
                if age != round(age):
                    notes[ROUNDED.format(where="a file name")] = None
                if clash:
                    notes["Some new names were already in use. These images got another number at the end."] = None
        (out / self.inside).mkdir(parents=True, exist_ok=True)
        folder = PurePosixPath(self.inside)
        paths = {str(folder / old): str(folder / new) for old, new in names.items()}
        return (*notes, *carry(self.source, paths, out))


def _whole(name: str, age: float) -> int:
    if not 0 <= round(age) <= OLDEST:
        raise InvalidDataError(f"The new age of {name!r} should be from 0 to {OLDEST} years. Found {age!r}.")
    return round(age)


def _renamed(file: str, age: int, style: NumberStyle) -> str:
    match = _AGE.match(file)
    return f"{style.text(age)}_{file[match.end() :] if match else file}"


def _free(name: str, taken: set[str]) -> tuple[str, bool]:
    """Return the pair (free name, changed): a name that is not taken, and whether this name differs from `name`.

    If `name` is taken, the number at the end of the name is increased. If `name` has no number at the end, a number is
    inserted before the first dot.

    Examples
    --------
    >>> _free("31_Given_Family_0001.jpg", {"31_Given_Family_0001.jpg"})[0]
    '31_Given_Family_0002.jpg'
    >>> _free("31_1_0.jpg.chip.jpg", {"31_1_0.jpg.chip.jpg"})[0]
    '31_1_0_2.jpg.chip.jpg'
    """
    if name not in taken:
        return name, False
    number = re.fullmatch(r"(.*_)([0-9]+)(\.[^.]*)", name, flags=re.DOTALL)
    if number:
        head, tail, width, first = number[1], number[3], len(number[2]), int(number[2]) + 1
    else:
        stem, point, rest = name.partition(".")
        head, tail, width, first = f"{stem}_", point + rest, 1, 2
    candidates = (f"{head}{count:0{width}d}{tail}" for count in itertools.count(first))
    return next(candidate for candidate in candidates if candidate not in taken), True
