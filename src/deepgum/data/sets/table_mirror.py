"""The rule for mirrored images of a user's table, from its options."""

from __future__ import annotations

from collections.abc import Sequence

from deepgum.checks import check_choice
from deepgum.data.mirror import Mirror
from deepgum.data.swap_pairs import Swap, swap_pairs_of
from deepgum.errors import InvalidParameterError

__all__ = ["mirror_rule"]


def mirror_rule(
    targets: Sequence[str], landmarks: bool, swap_pairs: Swap | None, mirror: str | None, *, images: bool
) -> Mirror | None:
    """Return the change of d targets when an image is mirrored, or None if images must not be mirrored.

    Raise an error if the options contradict each other.
    """
    d = len(targets)
    if not images and (landmarks or mirror is not None):
        raise InvalidParameterError("landmarks, mirror", "left out if inputs are not images", (landmarks, mirror))
    if landmarks and d % 2:
        raise InvalidParameterError("targets", "two columns for each landmark, x and y", f"{d} columns")
    if landmarks and mirror is not None:
        hint = "Give `swap_pairs` to mirror landmarks."
        raise InvalidParameterError("mirror", "left out if targets are landmarks", mirror, hint)
    if mirror is not None:
        check_choice("mirror", mirror, ("keep",))
        return Mirror(tuple(range(d)), (1.0,) * d, (0.0,) * d)
    if swap_pairs is None:
        return None
    if not landmarks or not (isinstance(swap_pairs, str) or all(_is_pair(pair) for pair in swap_pairs)):
        raise InvalidParameterError("swap_pairs", "pairs of whole numbers, with targets that are landmarks", swap_pairs)
    return Mirror.landmarks(swap_pairs_of(swap_pairs, targets), d // 2)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, Sequence) and len(pair) == 2 and all(type(place) is int for place in pair)
