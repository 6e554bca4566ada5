"""Frames of videos: their numbers, and the blocks of neighbouring frames that stay in one fold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["blocks_of_frames", "frame_number"]

BLOCKS = 20
"""Smallest number of blocks that a data set is divided into, if it has enough frames."""


def frame_number(name: str) -> int:
    """Return the number of a frame from the name of its image: the last digits before the ending; -1 without digits.

    Examples
    --------
    >>> frame_number("labeled-data/mouse2/img0031.png"), frame_number("nose.png")
    (31, -1)
    """
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    found = re.findall(r"[0-9]+", stem)
    return int(found[-1]) if found and len(found[-1]) < 19 else -1


def blocks_of_frames(videos: Sequence[str], frames: Sequence[int], images: Sequence[str]) -> tuple[str, ...]:
    """Return the block of each instance. A block stays in one fold, because neighbouring frames of a video are alike.

    A block is a video if there are at least `BLOCKS` videos. Otherwise, the images of each video are divided into
    blocks of neighbouring frames.

    Parameters
    ----------
    videos : sequence of str, length n
        The video of each instance.
    frames : sequence of int, length n
        The number of its frame. Images with the same number are in the order of their names.
    images : sequence of str, length n
        The image of each instance.

    Examples
    --------
    >>> blocks_of_frames(["a"] * 4, [30, 10, 20, 10], ["30.png", "10.png", "20.png", "10.png"])
    ('a, block 3', 'a, block 1', 'a, block 2', 'a, block 1')
    """
    distinct = sorted(set(zip(videos, frames, images, strict=True)))
    place = Counter(video for video, _, _ in distinct)
    if len(place) >= BLOCKS:
        return tuple(videos)
    size = max(1, len(distinct) // BLOCKS)
    place.clear()
    blocks: dict[tuple[str, int, str], str] = {}
    for key in distinct:
        blocks[key] = f"{key[0]}, block {place[key[0]] // size + 1}"
        place[key[0]] += 1
    return tuple(blocks[key] for key in zip(videos, frames, images, strict=True))
