"""The progress of a part of some work is its place in the progress of all the work, in percent."""

from __future__ import annotations

import pytest

from deepgum.progress import part_of


def calls_of(first: float, share: float, *progress: tuple[int, int]) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []
    part = part_of(lambda done, total: calls.append((done, total)), first, share)
    assert part is not None
    for done, total in progress:
        part(done, total)
    return calls


def test_a_part_goes_from_its_first_percent_to_its_last() -> None:
    assert calls_of(20, 30, (0, 3), (1, 3), (3, 3)) == [(20, 100), (30, 100), (50, 100)]


def test_percents_are_rounded_and_at_most_100() -> None:
    assert calls_of(0, 100, (2, 3)) == [(67, 100)]
    assert calls_of(90, 10, (4, 3)) == [(100, 100)]


def test_a_part_without_steps_has_a_progress() -> None:
    assert calls_of(40, 10, (0, 0)) == [(40, 100)]


@pytest.mark.parametrize("share", [0, 100])
def test_without_a_callback_there_is_none_for_a_part(share: float) -> None:
    assert part_of(None, 0, share) is None
