"""What a table's own values were measured under: the sentences that stand below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepgum.errors import InvalidParameterError

__all__ = ["Conditions"]


@dataclass(frozen=True)
class Conditions:
    """What our own values were measured under; it stands below the table.

    Attributes
    ----------
    dataset : str
        What ours were measured on.
    scale : str
        The name of the scale, as on the command line.
    changed : mapping of str to pair
        Every number that the scale changed: what it is, to (the paper's, here).
    seeds : sequence of int
    counts : mapping of str to int
        Sizes, such as those of the training and the validation set.
    remarks : sequence of str
        Whole sentences, such as what the network started from.

    Raises
    ------
    InvalidParameterError
        The scale is not the paper's, and nothing is said to have changed.

    Examples
    --------
    >>> here = Conditions("UTKFace", "cpu", {"image side in pixels": (224, 64)}, seeds=(0,), counts={"training": 4200})
    >>> for sentence in here.sentences():
    ...     print(sentence)
    Ours: UTKFace; training 4,200; seed 0.
    Scale cpu changes (paper → here): image side in pixels 224 → 64.
    """

    dataset: str
    scale: str = "paper"
    changed: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    counts: Mapping[str, int] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.scale != "paper" and not self.changed:
            raise InvalidParameterError("changed", f"every number that the scale {self.scale!r} changes", self.changed)

    def sentences(self, **counts: int) -> list[str]:
        """Return the notes, with these counts besides."""
        sizes = [f"{name} {count:,}" for name, count in {**self.counts, **counts}.items()]
        seeds = f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"
        said = [f"Ours: {'; '.join([self.dataset, *sizes, seeds])}."]
        if self.changed:
            pairs = [f"{name} {_shown(theirs)} → {_shown(here)}" for name, (theirs, here) in self.changed.items()]
            said.append(f"Scale {self.scale} changes (paper → here): {'; '.join(pairs)}.")
        return said + list(self.remarks)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
