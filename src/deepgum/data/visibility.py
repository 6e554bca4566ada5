"""Columns that say whether a landmark is visible, beside its x and y: they are not coordinates.

Programs for keypoints write a third number per landmark: a visibility (COCO: 0 not labelled, 1 hidden, 2 visible) or
the confidence of a network. The name of the column tells it: v1 beside x1 and y1, nose_visibility beside nose_x and
nose_y.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.columns import Columns
from deepgum.errors import InvalidDataError, listing

__all__ = [
    "LABELLED",
    "check_pairs",
    "check_third_columns",
    "says_labelled",
    "visibility_columns",
    "visibility_notice",
    "zero_rows",
]

LABELLED = ("v", "vis", "visible", "visibility")
"""Words of columns in which 0 means that the landmark has no label."""
_OTHERS = ("conf", "confidence", "likelihood", "score", "prob", "probability", "occluded", "occlusion")
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def visibility_columns(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns of visibilities and confidences, each with the columns of the x and the y of its landmark.

    Examples
    --------
    >>> visibility_columns(["x1", "y1", "v1", "nose_x", "nose_y", "noseConf", "score", "v2"])
    {'v1': ('x1', 'y1'), 'noseConf': ('nose_x', 'nose_y')}
    >>> visibility_columns(["x", "y", "visible"]), visibility_columns(["score", "age"])
    ({'visible': ('x', 'y')}, {})
    """
    axes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in columns:
        for axis, rest in _readings(name, ("x", "y", "u")):
            axes.setdefault((axis, rest), []).append(name)
    found = {}
    for name in columns:
        for word, rest in _readings(name, (*LABELLED, *_OTHERS)):
            if word == "v" and ("u", rest) in axes:
                continue  # u and v are coordinates of another point
            x, y = (axes.get((axis, rest), []) for axis in "xy")
            if len(x) == len(y) == 1 and name not in (*x, *y):
                found[name] = x[0], y[0]
    return found


def says_labelled(name: str) -> bool:
    """Return whether 0 in a column of visibilities means that the landmark has no label.

    Examples
    --------
    >>> says_labelled("v1"), says_labelled("nose_visibility"), says_labelled("nose_likelihood")
    (True, True, False)
    """
    return bool(_readings(name, LABELLED))


def zero_rows(table: Columns, name: str) -> list[int]:
    """Return the rows of a table in which a column is zero, false or no."""
    return [row for row, cell in enumerate(table.cells[name]) if _is_zero(cell)]


def visibility_notice(columns: Sequence[str], zero: int, landmarks: int) -> str:
    """Return a sentence on columns of visibilities that a user gave among the labels.

    Parameters
    ----------
    columns : sequence of str
    zero : int
        Number of landmarks with visibility 0.
    landmarks : int
        Number of all landmarks.
    """
    used = ". They are left out"
    if any(map(says_labelled, columns)):
        count = f"{zero:,} of {landmarks:,} landmarks have visibility 0 and are missing"
        used = f": {count}" if zero else f": all {landmarks:,} landmarks have labels"
    one = len(columns) == 1
    words = "The column {} tells" if one else "The columns {} tell"
    return (
        f"{words.format(listing(list(columns)))} whether a landmark is visible or certain, and "
        f"{'is no coordinate' if one else 'are no coordinates'}{used}."
    )


def check_pairs(target_names: Sequence[str]) -> None:
    """Check that the columns of landmarks are in the order x y x y ..., as far as the names show it.

    Names that do not show an x and a y, such as east and north, are not checked.

    Raises
    ------
    InvalidDataError
        If a column whose name is the x or the y of a landmark does not stand beside the other one.

    Examples
    --------
    >>> check_pairs(["x1", "y1", "east", "north"])
    >>> check_pairs(["x1", "y1", "s1", "x2", "y2", "s2"])
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: With landmarks, the targets should be pairs of an x and a y. Found s1 beside x2...
    """
    partners = _partners(target_names)
    names = list(target_names)
    pairs = list(zip(names[::2], names[1::2], strict=False)) + ([(names[-1], "no column")] if len(names) % 2 else [])
    wrong = [
        (one, other)
        for one, other in pairs
        if (one in partners or other in partners) and not (partners.get(one) == other and partners.get(other) == one)
    ]
    if wrong:
        alone = [name for name in names if name not in partners]
        hint = f" Leave out {listing(alone)}." if alone else " Name the x and the y of each landmark side by side."
        raise InvalidDataError(
            "With landmarks, the targets should be pairs of an x and a y. "
            f"Found {listing([f'{one} beside {other}' for one, other in wrong], 3)}.{hint}"
        )


def _is_zero(cell: Any) -> bool:
    if isinstance(cell, str) and cell.strip().lower() in ("false", "no"):
        return True
    try:
        return cell is not None and float(cell) == 0
    except (TypeError, ValueError):
        return False


def check_third_columns(target_names: Sequence[str], labels: NDArray[np.float64]) -> None:
    """Refuse landmarks of which every third column seems to be a visibility, although its name does not tell it.

    Parameters
    ----------
    target_names : sequence of str, length d
    labels : array (n, d)
        NaN for missing labels.

    Raises
    ------
    InvalidDataError
        If d is a multiple of 3, every third column has only the numbers 0, 1 and 2, or only numbers from 0 to 1, and
        the other columns have larger numbers.

    Examples
    --------
    >>> check_third_columns(["a", "b", "c", "d"], np.array([[20.0, 30.0, 2.0, 40.0]]))
    """
    if len(target_names) % 3:
        return
    thirds = labels[:, 2::3]
    known, others = thirds[~np.isnan(thirds)], np.delete(labels, np.s_[2::3], axis=1)
    if not known.size or np.isnan(others).all() or not np.nanmedian(others) > 4:
        return
    if np.isin(known, (0, 1, 2)).all() or (known.min() >= 0 and known.max() <= 1):
        names = listing(list(target_names)[2::3])
        raise InvalidDataError(
            f"With landmarks, the targets should be pairs of an x and a y. Every third target ({names}) holds only "
            f"numbers from {known.min():g} to {known.max():g}, as visibilities do. Leave these columns out, or rename "
            "the columns to x, y and visibility of each landmark."
        )


def _partners(names: Sequence[str]) -> Mapping[str, str]:
    """Return a mapping from each x to its y and from each y to its x, for the names that show it."""
    axes: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name in names:
        for axis, rest in _readings(name, ("x", "y")):
            axes.setdefault(rest, {}).setdefault(axis, []).append(name)
    partners: dict[str, str] = {}
    for found in axes.values():
        x, y = found.get("x", []), found.get("y", [])
        if len(x) == len(y) == 1 and x != y:
            partners |= {x[0]: y[0], y[0]: x[0]}
    return partners


def _readings(name: str, words: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the pairs (word, other parts of the name) for each of `words` in a name, in lower case.

    The words are whole parts of the name, between separators, digits and capital letters. A word of one letter may also
    be the last or the first letter of a part: lx, xnose.
    """
    parts = [part.lower() for part in _WORDS.findall(name)]
    found = [(part, (*parts[:place], *parts[place + 1 :])) for place, part in enumerate(parts) if part in words]
    if not found:
        for place, part in enumerate(parts):
            for letter, rest in ((part[-1], part[:-1]), (part[0], part[1:])):
                if letter in words and rest:
                    found.append((letter, (*parts[:place], rest, *parts[place + 1 :])))
    return found
