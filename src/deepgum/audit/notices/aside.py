"""Labels that are set aside: no mixture is fitted to them, no share counts them, and a notice tells what to do.

There are two sorts: values that may mark a missing label (`marks`), and labels that differ from their predictions by
one full turn (`turns`). Both have a simple remedy, an option. Until the user gives it, neither can be judged.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.notices.marks import Mark, find_marks, lonely_marks
from deepgum.audit.notices.turns import Turn, find_turn
from deepgum.audit.targets import Targets
from deepgum.errors import listing
from deepgum.wording import exact, number

__all__ = ["Aside"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Aside:
    """The marks and turns whose labels are set aside, for the labels of d targets.

    Attributes
    ----------
    targets : Targets
    marks : tuple of Mark
    turns : tuple of Turn

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ages = rng.uniform(20, 80, size=(300, 1))
    >>> predicted = ages + rng.normal(size=(300, 1))
    >>> ages[::10] = -1
    >>> aside = Aside.of(ages, predicted, Targets.of(["age"]))
    >>> int(np.isnan(aside.without(ages, predicted)).sum())
    30
    >>> print(*aside.sentences(aside.count(ages, predicted)))
    age: 30 labels have the very same value, -1, mostly far from their predictions. If it marks a missing label, give
    --missing=-1 (missing=-1 in Python). Until then such labels count in no share, and those far from their predictions
    are flagged with the reason `mark`.
    """

    targets: Targets
    marks: tuple[Mark, ...] = ()
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of(cls, given: Values, predicted: Values, targets: Targets) -> Aside:
        """Find what to set aside in labels and predictions (n, d)."""
        d = given.shape[1]
        units = [(2 * k, 2 * k + 1) for k in range(d // 2)] if targets.landmarks else [(column,) for column in range(d)]
        marks = find_marks(given, predicted, units)
        rest = cls(targets, marks).without(given, predicted)
        periods = targets.periods or (0.0,) * d
        turns = (
            find_turn(rest[:, column], predicted[:, column], column)
            for column in range(d)
            if not periods[column] and not targets.landmarks
        )
        return cls(targets, marks, tuple(turn for turn in turns if turn is not None))

    @classmethod
    def of_labels(cls, given: Values, targets: Targets) -> Aside:
        """Find the marks that lie alone in labels (n, d), before there are any predictions."""
        return cls(targets, () if targets.landmarks else lonely_marks(given))

    def __len__(self) -> int:
        """Return the number of marks and turns."""
        return len(self.marks) + len(self.turns)

    def joined(self, other: Aside) -> Aside:
        """Return what is set aside here or there."""
        return replace(self, marks=(*self.marks, *other.marks), turns=(*self.turns, *other.turns))

    def far_marks(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) have a value that may mark a missing label, and are far from their predictions."""
        return _any([mark.far(given, predicted) for mark in self.marks], given)

    def mask(self, given: Values, predicted: Values | None = None) -> Flags:
        """Return which labels (n, d) are set aside. Without predictions, these are the marks."""
        masks = [mark.mask(given) for mark in self.marks]
        if predicted is not None:
            residuals = given - predicted
            masks += [turn.mask(residuals) for turn in self.turns]
        return _any(masks, given)

    def without(self, given: Values, predicted: Values | None = None) -> Values:
        """Return the labels (n, d), with NaN for each label that is set aside; see `mask`."""
        return np.where(self.mask(given, predicted), np.nan, given) if self else given

    def count(self, given: Values, predicted: Values) -> NDArray[np.int64]:
        """Return the number of labels of each mark, and then of each turn; landmarks count once."""
        residuals = given - predicted
        counts = [int(mark.mask(given).sum()) // len(mark.value) for mark in self.marks]
        counts += [int(turn.mask(residuals).sum()) for turn in self.turns]
        return np.array(counts, dtype=np.int64)

    def sentences(self, counts: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
        """Return one notice for each mark and each turn, given the numbers of `count`."""
        split = len(self.marks)
        marks = (self._mark_words(mark, int(n)) for mark, n in zip(self.marks, counts[:split], strict=True))
        turns = (self._turn_words(turn, int(n)) for turn, n in zip(self.turns, counts[split:], strict=True))
        return (*marks, *turns)

    def _mark_words(self, mark: Mark, count: int) -> str:
        one, value = count == 1, exact(mark.value)
        theirs = "its prediction" if one else "their predictions"
        if len(mark.value) > 1:
            found = f"{count:,} landmark{' is' if one else 's are'} exactly {value}, mostly far from {theirs}."
            what, typed = "this point marks a missing landmark", ",".join(exact([each]) for each in mark.value)
            python = f"[{value}]"
        else:
            names = listing([self.targets.names[unit[0]] for unit in mark.units])
            found = f"{names}: {count:,} label{' has' if one else 's have'} the very same value, {value}, "
            found += f"mostly far from {theirs}."
            what, typed, python = "it marks a missing label", value, value
        return (
            f"{found} If {what}, give --missing={typed} (missing={python} in Python). Until then such labels count in "
            "no share, and those far from their predictions are flagged with the reason `mark`."
        )

    def _turn_words(self, turn: Turn, count: int) -> str:
        name, period = self.targets.names[turn.column], number(turn.period, 10)
        typed = shlex.quote(f"{name}={period}")
        labels, differ = ("label", "differs") if count == 1 else ("labels", "differ")
        theirs, these = ("its prediction", "this label") if count == 1 else ("their predictions", "these labels")
        return (
            f"{name}: {count:,} {labels} {differ} from {theirs} by one full turn ({period}). If {name} is an angle or "
            f"has another period, give --period {typed} (periods={{{name!r}: {period}}} in Python). Until then "
            f"{these} {'is' if count == 1 else 'are'} not judged."
        )


def _any(masks: Sequence[Flags], given: Values) -> Flags:
    return np.any(masks, axis=0) if masks else np.zeros(given.shape, dtype=bool)
