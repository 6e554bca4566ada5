"""What groups of labels are called: a landmark after what its coordinates have in common, others after their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepgum.errors import InvalidDataError, listing
from deepgum.mixture.partition import Groups, Partition

__all__ = ["check_target_names", "default_groups", "group_names", "landmark_name", "landmark_order"]

_BETWEEN = "_-. "


def landmark_name(x: str, y: str) -> str | None:
    """Return what the names of two coordinates have in common, if they differ in nothing but an x and a y.

    Returns
    -------
    str or None
        Empty for a bare ``x`` and ``y``; None where the two are not of one point.

    Examples
    --------
    >>> landmark_name("left_eye_x", "left_eye_y"), landmark_name("x1", "y1"), landmark_name("noseX", "noseY")
    ('left_eye', '1', 'nose')
    >>> landmark_name("x", "y"), landmark_name("yaw", "pitch"), landmark_name("y1", "x1")
    ('', None, None)
    """
    if len(x) != len(y):
        return None
    places = [place for place, (a, b) in enumerate(zip(x, y, strict=True)) if a != b]
    if len(places) != 1 or (x[places[0]], y[places[0]]) not in (("x", "y"), ("X", "Y")):
        return None
    before, after = x[: places[0]], x[places[0] + 1 :]
    if before[-1:] in _BETWEEN and after[:1] in _BETWEEN:  # p_x_1: one sign between the two is enough
        after = after[1:]
    return (before + after).strip(_BETWEEN)


def landmark_order(target_names: Sequence[str]) -> list[int] | None:
    """Return the places of the targets with the x and y of each point side by side; None where some are not of points.

    Points come in the order of their first coordinate.

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
        found = [(place, places[other]) for other in _replaced(name, {"x": "y", "X": "Y"}) if other in places]
        found += [(places[other], place) for other in _replaced(name, {"y": "x", "Y": "X"}) if other in places]
        if len(found) != 1:
            return None
        order += found[0]
        done.update(found[0])
    return order


def _replaced(name: str, letters: dict[str, str]) -> list[str]:
    """Return the name with one of these letters replaced, at each place where there is one."""
    return [
        name[:place] + letters[letter] + name[place + 1 :] for place, letter in enumerate(name) if letter in letters
    ]


def default_groups(target_names: Sequence[str]) -> str:
    """Return "landmark" where the targets are the x and y of one point after the other, otherwise "coordinate".

    Examples
    --------
    >>> default_groups(["nose_x", "nose_y"]), default_groups(["yaw", "pitch", "roll"])
    ('landmark', 'coordinate')
    """
    return "landmark" if landmark_order(target_names) == list(range(len(target_names))) else "coordinate"


def group_names(target_names: Sequence[str], partition: Partition) -> tuple[str, ...]:
    """Return a name for each group, no two alike.

    A group of one target has its name; two coordinates of a point what they have in common; all the targets are the
    ``sample``; any others are joined by a plus sign.

    Parameters
    ----------
    target_names : sequence of str, length d
        Each once.
    partition : tuple of tuples of int
        The targets of each group.

    Examples
    --------
    >>> names = ["left_eye_x", "left_eye_y", "yaw", "pitch"]
    >>> group_names(names, ((0, 1), (2,), (3,))), group_names(names, ((0, 1), (2, 3)))
    (('left_eye', 'yaw', 'pitch'), ('left_eye', 'yaw+pitch'))
    >>> group_names(names, ((0, 1, 2, 3),))
    ('sample',)
    """
    joined = ["+".join(target_names[place] for place in group) for group in partition]
    short = [_short(target_names, group) or name for group, name in zip(partition, joined, strict=True)]
    times = Counter(short)
    return tuple(name if times[name] == 1 else long for name, long in zip(short, joined, strict=True))


def check_target_names(target_names: Sequence[str], groups: Groups | None) -> None:
    """Refuse names that come twice, and landmarks whose names say that they are in another order.

    Raises
    ------
    InvalidDataError
        If so.
    """
    twice = [name for name, count in Counter(target_names).items() if count > 1]
    if twice:
        raise InvalidDataError(f"`target_names` should name each target once. Found twice: {listing(twice)}.")
    order = landmark_order(target_names) if groups == "landmark" else None
    if order is not None and order != sorted(order):
        raise InvalidDataError(
            f"groups='landmark' needs the x and y of each landmark side by side: "
            f"{listing([target_names[place] for place in order])}. Found {listing(target_names)}."
        )


def _short(target_names: Sequence[str], group: tuple[int, ...]) -> str | None:
    if len(group) == 1:
        return target_names[group[0]]
    point = landmark_name(*(target_names[place] for place in group)) if len(group) == 2 else None
    return point or ("sample" if len(group) == len(target_names) else None)
