"""What people call the parts of a label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from deepgum.audit.labels import ScoredLabels

__all__ = ["landmark_name", "part_names"]


def landmark_name(labels: ScoredLabels, landmark: int) -> str:
    """Return the name of a landmark: of its group, or what the names of its two coordinates begin with."""
    columns = (2 * landmark, 2 * landmark + 1)
    if columns in labels.partition:
        return labels.group_names[labels.partition.index(columns)]
    pairs = zip(*(labels.target_names[column] for column in columns), strict=False)
    common = "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return common.rstrip("_ .-") or f"landmark {landmark}"


def part_names(labels: ScoredLabels, columns: Sequence[int], landmarks: bool) -> list[str]:
    """Return the names of the landmarks that columns belong to, or of the columns."""
    if landmarks:
        return [landmark_name(labels, landmark) for landmark in dict.fromkeys(column // 2 for column in columns)]
    return [labels.target_names[column] for column in columns]
