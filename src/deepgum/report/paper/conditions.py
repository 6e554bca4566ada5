"""Conditions under which our own values in a table were measured, as notes below the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepgum.errors import InvalidParameterError

__all__ = ["Conditions"]


@dataclass(frozen=True)
class Conditions:
    """Conditions under which our own values in a table were measured. The notes below the table list these conditions.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    scale : str
        Name of the scale of the experiment, as in the option `--scale`.
    changed : mapping of str to pair
        Settings that the scale changes: name of the setting -> (value in the paper, value here).
    seeds : sequence of int
        Seeds of the runs.
    counts : mapping of str to int
        Numbers of samples: name -> number, for example of the training set and of the validation set.
    remarks : sequence of str
        Further sentences, for example about the weights with which the training of the network starts.

    Raises
    ------
    InvalidParameterError
        If the scale is not the paper's and `changed` is empty.

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
        """Return the conditions as sentences. The arguments, name = number, are added to the attribute `counts`."""
        sizes = [f"{name} {count:,}" for name, count in {**self.counts, **counts}.items()]
        seeds = f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"
        notes = [f"Ours: {'; '.join([self.dataset, *sizes, seeds])}."]
        if self.changed:
            pairs = [f"{name} {_format(paper)} → {_format(here)}" for name, (paper, here) in self.changed.items()]
            notes.append(f"Scale {self.scale} changes (paper → here): {'; '.join(pairs)}.")
        return notes + list(self.remarks)


def _format(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
