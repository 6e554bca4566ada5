"""Names of landmarks and groups, made from the common parts of the names of columns.

No other module makes such names. Fits, audits, reports and exports use this module, so that the same columns have the
same names everywhere.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile

from deepgum.errors import InvalidDataError, listing
from deepgum.mixture.partition import Groups, partition

__all__ = [
    "are_landmarks",
    "check_target_names",
    "default_groups",
    "group_names",
    "landmark_name",
    "landmark_names",
    "landmark_order",
]

_SEPARATORS = "_-. "


def landmark_name(x: str, y: str) -> str | None:
    """Return the common part of two column names if the names differ only in an x and a y.

    Returns
    -------
    str or None
        The name of the landmark, which is an empty string for the columns ``x`` and ``y``. None if the two columns are
        not the x and the y of one landmark.

    Examples
    --------
    >>> landmark_name("left_eye_x", "left_eye_y"), landmark_name("x1", "y1"), landmark_name("noseX", "noseY")
    ('left_eye', '1', 'nose')
    >>> landmark_name("x", "y"), landmark_name("yaw", "pitch"), landmark_name("y1", "x1")
    ('', None, None)
    """
    before, x_only, y_only, after = _split_names(x, y)
    return _join(before, after) if (x_only, y_only) in (("x", "y"), ("X", "Y")) else None


def landmark_names(target_names: Sequence[str], known: Mapping[tuple[int, ...], str] | None = None) -> tuple[str, ...]:
    """Return a unique name for each of l landmarks. The columns are in the order x y x y ...

    The name of a landmark is the common part of the names of its two columns. The names of the two columns may differ
    in one letter or in whole words. If the two names have no common part, the name is "landmark" and the position of
    the landmark, counted from 0. If two landmarks would have the same name, the name of each of them consists of both
    column names; but if the names of its columns differ only in a number, such as p82 and p83, it is "landmark" and the
    position again.

    Parameters
    ----------
    target_names : sequence of str, length 2 l
        Unique names of the columns.
    known : mapping of (int, int) to str, optional
        Names that some landmarks already have. The key is the pair of positions of the landmark's two columns.

    Examples
    --------
    >>> landmark_names(["nose_x", "nose_y", "x1", "y1", "lx", "ly", "eye_col", "eye_row", "east", "north"])
    ('nose', '1', 'l', 'eye', 'landmark 4')
    >>> landmark_names(["nose_x", "nose_y", "x_nose", "y_nose"]), landmark_names(["x", "y"], {(0, 1): "nose"})
    (('nose_x+nose_y', 'x_nose+y_nose'), ('nose',))
    >>> landmark_names(["80", "81", "82", "83", "eye1", "eye2"]), landmark_names(["p9", "p10", "p11", "p12"])
    (('landmark 0', 'landmark 1', 'eye'), ('landmark 0', 'landmark 1'))
    """
    pairs = [(place, place + 1) for place in range(0, len(target_names) - 1, 2)]
    short = [
        (known or {}).get(pair) or _common_name(*(target_names[place] for place in pair)) or f"landmark {landmark}"
        for landmark, pair in enumerate(pairs)
    ]
    times = Counter(short)
    for landmark, pair in enumerate(pairs):
        if times[short[landmark]] > 1 and _differ_by_number(*(target_names[place] for place in pair)):
            short[landmark] = f"landmark {landmark}"
    return _make_distinct(short, _long_names(target_names, pairs))


def landmark_order(target_names: Sequence[str]) -> list[int] | None:
    """Return the order of the columns in which the x of each landmark is followed by the y of the same landmark.

    Landmarks are ordered by the position of their first column.

    Returns
    -------
    list of int or None
        Positions of the columns in this order. None if some columns are not coordinates of landmarks.

    Examples
    --------
    >>> landmark_order(["x1", "x2", "y1", "y2"]), landmark_order(["x1", "y1", "age"])
    ([0, 2, 1, 3], None)
    """
    places = {name: place for place, name in enumerate(target_names)}
    order: list[int] = []
    done: set[int] = set()
    for name, place in places.items():
        if place in done:
            continue
        found = [(place, places[other]) for other in _replace_letter(name, {"x": "y", "X": "Y"}) if other in places]
        found += [(places[other], place) for other in _replace_letter(name, {"y": "x", "Y": "X"}) if other in places]
        if len(found) != 1:
            return None
        order += found[0]
        done.update(found[0])
    return order


def default_groups(target_names: Sequence[str]) -> str:
    """Return "landmark" if the names of the columns are landmarks in the order x y x y ..., otherwise "coordinate".

    Examples
    --------
    >>> default_groups(["nose_x", "nose_y"]), default_groups(["yaw", "pitch", "roll"])
    ('landmark', 'coordinate')
    """
    return "landmark" if landmark_order(target_names) == list(range(len(target_names))) else "coordinate"


def are_landmarks(target_names: Sequence[str], groups: Groups | None) -> bool:
    """Return whether the columns are landmarks in the order x y x y ...

    This is true if the names of the columns show it, or if `groups` is "landmark".

    Examples
    --------
    >>> are_landmarks(["nose_x", "nose_y"], "sample"), are_landmarks(["east", "north"], "landmark")
    (True, True)
    >>> are_landmarks(["east", "north"], None)
    False
    """
    return default_groups(target_names) == "landmark" or (isinstance(groups, str) and groups == "landmark")


def group_names(target_names: Sequence[str], groups: Groups) -> tuple[str, ...]:
    """Return a unique name for each group of columns.

    With ``groups="landmark"``, the names are those of `landmark_names`. So they are for groups of two neighbours whose
    names are numbers. Otherwise, a group of one column has the name
    of the column. A group of the x and the y of one landmark has the name of the landmark. A group of all columns has
    the name ``sample``. The name of any other group is the names of its columns, joined by plus signs.

    Parameters
    ----------
    target_names : sequence of str, length d
        Unique names of the columns.
    groups : {"sample", "landmark", "coordinate"} or sequence of sequences of int
        See `deepgum.mixture.GaussianUniformMixture`.

    Examples
    --------
    >>> names = ["left_eye_x", "left_eye_y", "yaw", "pitch"]
    >>> group_names(names, [[0, 1], [2], [3]]), group_names(names, [[0, 1], [2, 3]])
    (('left_eye', 'yaw', 'pitch'), ('left_eye', 'yaw+pitch'))
    >>> group_names(names, "sample"), group_names(names, "landmark")
    (('sample',), ('left_eye', 'landmark 1'))
    >>> group_names(["0", "1", "2", "3"], [[0, 1], [2, 3]])
    ('landmark 0', 'landmark 1')
    """
    resolved = partition(groups, len(target_names))
    if isinstance(groups, str) and groups == "landmark":
        return landmark_names(target_names)
    if _are_numbered_pairs(target_names, resolved):
        return landmark_names(target_names)
    long = _long_names(target_names, resolved)
    short = [_short_name(target_names, group) or name for group, name in zip(resolved, long, strict=True)]
    return _make_distinct(short, long)


def check_target_names(target_names: Sequence[str], groups: Groups | None) -> None:
    """Check that the names of the columns are unique and, for landmarks, that the columns are in the order x y x y ...

    Raises
    ------
    InvalidDataError
        If a name occurs twice, or if `groups` is "landmark" and the names show that the columns are in another order.
        The message gives the repeated names or the correct order.
    """
    twice = [name for name, count in Counter(target_names).items() if count > 1]
    if twice:
        raise InvalidDataError(f"`target_names` should name each target once. Found twice: {listing(twice)}.")
    order = landmark_order(target_names) if groups == "landmark" else None
    if order is not None and order != sorted(order):
        raise InvalidDataError(
            f"With groups='landmark', the x and y of each landmark should be side by side: "
            f"{listing([target_names[place] for place in order])}. Found {listing(target_names)}."
        )


def _are_numbered_pairs(target_names: Sequence[str], groups: Sequence[tuple[int, ...]]) -> bool:
    """Return whether there are several groups, each of two neighbours whose names are numbers."""
    pairs = [(place, place + 1) for place in range(0, len(target_names) - 1, 2)]
    return len(groups) > 1 and list(groups) == pairs and all(name.isdecimal() for name in target_names)


def _split_names(x: str, y: str) -> tuple[str, str, str, str]:
    """Divide two names, and return (common beginning, middle part of `x`, middle part of `y`, common end)."""
    before = _common_start(x, y)
    x_rest, y_rest = x[len(before) :], y[len(before) :]
    after = _common_start(x_rest[::-1], y_rest[::-1])[::-1]
    return before, x_rest.removesuffix(after), y_rest.removesuffix(after), after


def _common_start(one: str, other: str) -> str:
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _common_name(x: str, y: str) -> str:
    """Return the common part of the names of two columns, or an empty string if there is no common part."""
    before, x_only, y_only, after = _split_names(x, y)
    if _differ_by_number(x, y):
        return _join(before.rstrip(string.digits), after.lstrip(string.digits))
    if not len(x_only) == len(y_only) == 1:
        # Only whole words are common parts. The l of lat1 and lng1 is not one.
        before = before[: max(before.rfind(sign) for sign in _SEPARATORS) + 1]
        starts = [place for place, sign in enumerate(after) if sign in _SEPARATORS]
        after = after[starts[0] :] if starts else ""
    return _join(before, after)


def _differ_by_number(x: str, y: str) -> bool:
    """Return whether two names are equal but for one number: the columns are numbered, and have no name."""
    before, x_only, y_only, after = _split_names(x, y)
    # A digit on both sides of a difference belongs to the same number: 109 and 110 differ in 09 and 10.
    return all(re.fullmatch(r"\d*", part) for part in (x_only, y_only)) and bool(
        x_only + y_only or before[-1:].isdigit() or after[:1].isdigit()
    )


def _join(before: str, after: str) -> str:
    """Join the beginning and the end of a name. For example, p_ and _1 become p_1."""
    if before[-1:] in _SEPARATORS and after[:1] in _SEPARATORS:  # one separator is enough
        after = after[1:]
    return (before + after).strip(_SEPARATORS)


def _replace_letter(name: str, letters: Mapping[str, str]) -> list[str]:
    """Return all names that arise when one letter of `name` is replaced. `letters` maps old letters to new letters."""
    return [
        name[:place] + letters[letter] + name[place + 1 :] for place, letter in enumerate(name) if letter in letters
    ]


def _short_name(target_names: Sequence[str], group: tuple[int, ...]) -> str | None:
    if len(group) == 1:
        return target_names[group[0]]
    point = landmark_name(*(target_names[place] for place in group)) if len(group) == 2 else None
    return point or ("sample" if len(group) == len(target_names) else None)


def _long_names(target_names: Sequence[str], groups: Sequence[tuple[int, ...]]) -> list[str]:
    return ["+".join(target_names[place] for place in group) for group in groups]


def _make_distinct(short: Sequence[str], long: Sequence[str]) -> tuple[str, ...]:
    """Return the short name of each group. If several groups have the same short name, return their long names."""
    times = Counter(short)
    return tuple(name if times[name] == 1 else full for name, full in zip(short, long, strict=True))
