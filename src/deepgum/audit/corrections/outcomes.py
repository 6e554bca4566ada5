"""The outcomes of a review: what became of a label, in words. A suggestion that was taken is no correction by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.labels import Place, ScoredLabels

__all__ = ["OUTCOMES", "Outcome", "outcome", "suggestion", "undoes"]

Outcome = Literal["keep", "take", "fix", "drop", "skip"]

OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {
        "keep": "kept",
        "take": "suggestion taken",
        "fix": "corrected by hand",
        "drop": "dropped",
        "skip": "skipped",
    }
)
"""The outcomes in words, in the order in which they are listed."""

_SAME = 1e-9
"""Relative tolerance for a value that is the suggestion."""


def suggestion(labels: ScoredLabels, place: Place) -> tuple[float, ...] | None:
    """Return the suggested values for a label. Return None if a coordinate has no suggestion.

    Values that undo a known error ("Divided by 10") are exact to nine digits. Other values are rounded, which changes a
    value by at most a twentieth of its standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 2))
    >>> labels = ScoredLabels(("a",), ("x", "y"), ("nose",), ((0, 1),), one, one, one[:, :1], one[:, :1],
    ...     suggested=np.array([[31.4159, 2718.28]]), uncertainty=np.array([[0.7, 30.0]]))
    >>> suggestion(labels, (0, 0))
    (31.42, 2718.0)
    """
    row, group = place
    columns = list(labels.partition[group])
    values, deviations = labels.suggested[row, columns].tolist(), labels.uncertainty[row, columns].tolist()
    if not all(map(math.isfinite, values)):
        return None
    if undoes(labels.why.get(place, "")):
        return tuple(float(f"{value:.9g}") for value in values)
    return tuple(
        round(value, 1 - math.floor(math.log10(deviation))) if math.isfinite(deviation) and deviation > 0 else value
        for value, deviation in zip(values, deviations, strict=True)
    )


def undoes(why: str) -> str:
    """Return how a suggestion undoes a known error, from the sentence of the audit; empty if it undoes none.

    Examples
    --------
    >>> undoes("Divided by 10 it fits: 173000, 0.1 standard deviations of right labels from the prediction.")
    'Divided by 10'
    """
    beginning, fits, _ = why.partition(" it fits")
    return beginning if fits else ""


def outcome(labels: ScoredLabels, place: Place, decision: Decision) -> Outcome:
    """Return the outcome of a decision about a label: the action, or "take" if the new values are the suggested ones.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1))
    >>> labels = ScoredLabels(("a",), ("age",), ("age",), ((0,),), 310 * one, 32 * one, one, one,
    ...     suggested=31 * one, uncertainty=one)
    >>> [outcome(labels, (0, 0), Decision("a", "age", "fix", (new,))) for new in (31.0, 33.0)]
    ['take', 'fix']
    """
    if decision.new is None:
        return decision.action
    suggested = suggestion(labels, place)
    if suggested is None:
        return "fix"
    pairs = zip(decision.new, suggested, strict=True)
    return "take" if all(math.isclose(new, value, rel_tol=_SAME) for new, value in pairs) else "fix"
