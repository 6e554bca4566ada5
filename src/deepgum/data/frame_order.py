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


def blocks_of_frames(videos: Sequence[str], frames: Sequence[int]) -> tuple[str, ...]:
    """Return the block of each frame. Frames of one block stay in one fold, because neighbouring frames are alike.

    A block is a video if there are at least `BLOCKS` videos. Otherwise, the frames of each video are divided into
    blocks of neighbouring frames.

    Examples
    --------
    >>> blocks_of_frames(["a"] * 4, [30, 10, 20, 10])
    ('a, frames from 30', 'a, frames from 10', 'a, frames from 20', 'a, frames from 10')
    """
    distinct = sorted(set(zip(videos, frames, strict=True)))
    count = Counter(video for video, _ in distinct)
    if len(count) >= BLOCKS:
        return tuple(videos)
    size = max(1, len(distinct) // BLOCKS)
    block: dict[tuple[str, int], str] = {}
    place: Counter[str] = Counter()
    first: dict[tuple[str, int], int] = {}
    for video, frame in distinct:
        number = place[video] // size
        place[video] += 1
        start = first.setdefault((video, number), frame)
        block[video, frame] = f"{video}, frames from {start}"
    return tuple(block[key] for key in zip(videos, frames, strict=True))
