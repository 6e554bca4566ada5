"""Pairs of left and right landmarks: by numbers, by the names of the landmarks, or those of a known scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from deepgum.data.keypoints import left_right_pairs
from deepgum.data.target_names import landmark_names
from deepgum.errors import InvalidParameterError, UnknownNameError, listing

__all__ = ["AUTO", "SCHEMES", "SWAPS", "Swap", "pairs_in_words", "swap_pairs_of"]

AUTO = "auto"
Swap = str | Sequence[Sequence[int]]
"""A name ("auto" or a key of `SCHEMES`), or pairs of landmarks, counted from 0."""

_FACE = [
    *((place, 16 - place) for place in range(8)),  # the jaw
    *((place, 43 - place) for place in range(17, 22)),  # the eyebrows
    (31, 35), (32, 34),  # the nose
    (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46),  # the eyes
    (48, 54), (49, 53), (50, 52), (55, 59), (56, 58),  # the outer lips
    (60, 64), (61, 63), (65, 67),  # the inner lips
]  # fmt: skip

SCHEMES: Mapping[str, tuple[int, tuple[tuple[int, int], ...]]] = MappingProxyType(
    {"300w-68": (68, tuple(_FACE)), "coco-17": (17, tuple((place, place + 1) for place in range(1, 17, 2)))}
)
"""Name of a scheme -> (number of landmarks, pairs of left and right landmarks)."""


SWAPS = (AUTO, *SCHEMES)
"""The names that stand for pairs."""


def pairs_in_words(pairs: Sequence[tuple[int, int]], target_names: Sequence[str]) -> str:
    """Return the names of pairs of landmarks, for a message.

    Examples
    --------
    >>> pairs_in_words([(0, 1)], ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y"])
    'left_eye with right_eye'
    """
    names = landmark_names(target_names)
    return listing([f"{names[one]} with {names[other]}" for one, other in pairs])


def swap_pairs_of(swap: Swap, target_names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of landmarks that change places when an image is mirrored.

    Parameters
    ----------
    swap : str or sequence of (int, int)
        "auto" for the pairs that the names show (left_eye and right_eye), the name of a scheme ("300w-68" or
        "coco-17"), or pairs, which are returned as they are.
    target_names : sequence of str, length 2 l
        Names of the columns, x y x y ...

    Raises
    ------
    InvalidParameterError
        If the name is unknown, the scheme has another number of landmarks, or the names show no pair.

    Examples
    --------
    >>> swap_pairs_of("auto", ["left_eye_x", "left_eye_y", "nose_x", "nose_y", "right_eye_x", "right_eye_y"])
    ((0, 2),)
    >>> len(swap_pairs_of("300w-68", [f"{axis}{place}" for place in range(68) for axis in "xy"]))
    29
    """
    if not isinstance(swap, str):
        return tuple(tuple(pair) for pair in swap)  # type: ignore[misc]  # the caller checks the pairs
    names = landmark_names(target_names)
    if swap == AUTO:
        pairs = left_right_pairs(names)
        if not pairs:
            expected = "left out, or pairs such as 0:1,3:4: no names of landmarks differ in left and right"
            fitting = [scheme for scheme, (count, _) in SCHEMES.items() if count == len(names)]
            hint = f"For {len(names)} landmarks, is it {listing(fitting)}? " if fitting else ""
            raise InvalidParameterError("swap", expected, swap, f"{hint}The landmarks are {listing(names, 10)}.")
        return pairs
    if swap not in SCHEMES:
        raise UnknownNameError("swap", swap, SWAPS)
    count, pairs = SCHEMES[swap]
    if count != len(names):
        expected = f"left out, or another scheme, because {swap} has {count} landmarks"
        raise InvalidParameterError("swap", expected, swap, f"The targets are {len(names)} landmarks.")
    return pairs
