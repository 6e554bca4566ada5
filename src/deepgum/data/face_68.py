"""The 68 landmarks of faces in 300-W: the pairs of left and right landmarks, and the lines between landmarks.

Landmarks are counted from 0 here. 300-W counts from 1: 1 to 17 jaw, 18 to 27 brows, 28 to 36 nose, 37 to 48 eyes, 49 to
60 outer lips, 61 to 68 inner lips.
"""

from __future__ import annotations

from itertools import pairwise

__all__ = ["SKELETON", "SWAP_PAIRS"]

Pairs = tuple[tuple[int, int], ...]


def _chain(first: int, last: int, *, closed: bool = False) -> Pairs:
    """Return the lines from each landmark to the next, for landmarks that are counted from 1."""
    places = list(range(first - 1, last)) + ([first - 1] if closed else [])
    return tuple(pairwise(places))


SKELETON: Pairs = (
    *_chain(1, 17),
    *_chain(18, 22),
    *_chain(23, 27),
    *_chain(28, 31),
    *_chain(32, 36),
    *_chain(37, 42, closed=True),
    *_chain(43, 48, closed=True),
    *_chain(49, 60, closed=True),
    *_chain(61, 68, closed=True),
)

SWAP_PAIRS: Pairs = (
    *((place, 16 - place) for place in range(8)),  # jaw
    *((place, 43 - place) for place in range(17, 22)),  # brows
    (31, 35),
    (32, 34),
    *((36 + place, 45 - place) for place in range(4)),  # upper eyelids and corners
    (40, 47),
    (41, 46),
    *((48 + place, 54 - place) for place in range(3)),  # upper edge of the outer lips
    (59, 55),
    (58, 56),
    (60, 64),
    (61, 63),
    (67, 65),
)
