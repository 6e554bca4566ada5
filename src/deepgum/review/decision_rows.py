"""Decisions as rows of the log: one decision about one or many labels is one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from deepgum.audit.corrections.decisions import Action, Decision
from deepgum.errors import InvalidParameterError
from deepgum.review.log import Row

__all__ = ["check_together", "decisions_in", "fields_of"]


def check_together(decisions: Sequence[Decision]) -> None:
    """Check that decisions can be one row of the log.

    Raises
    ------
    InvalidParameterError
        If there is no decision, two decisions are about one label, or they differ in the action, the reason or the
        reviewer.
    """
    places = {(each.sample, each.group) for each in decisions}
    if len(places) < max(len(decisions), 1):
        raise InvalidParameterError("decisions", "one decision or more, each about another label", len(decisions))
    if len({(each.action, each.reason, each.who) for each in decisions}) > 1:
        expected = "decisions with the same action, reason and reviewer"
        raise InvalidParameterError("decisions", expected, sorted({each.action for each in decisions}))


def fields_of(decisions: Sequence[Decision]) -> dict[str, Any]:
    """Return the fields of the row that hold the labels of `decisions`.

    Examples
    --------
    >>> fields_of([Decision("a", "nose", "keep")])
    {'sample': 'a', 'group': 'nose', 'new': None}
    >>> fields_of([Decision("a", "nose", "keep"), Decision("b", "nose", "keep")])
    {'many': (('a', 'nose', None), ('b', 'nose', None))}
    """
    if len(decisions) == 1:
        (one,) = decisions
        return {"sample": one.sample, "group": one.group, "new": one.new}
    return {"many": tuple((each.sample, each.group, each.new) for each in decisions)}


def decisions_in(row: Row) -> list[Decision]:
    """Return the decisions of a row, one per label. The row must be no undo and no redo.

    Examples
    --------
    >>> row = Row(1, "drop", many=(("a", "nose", None), ("b", "nose", None)))
    >>> [(each.sample, each.action) for each in decisions_in(row)]
    [('a', 'drop'), ('b', 'drop')]
    """
    labels = row.many or ((cast(str, row.sample), cast(str, row.group), row.new),)
    action = cast(Action, row.action)
    return [Decision(sample, group, action, new, row.reason, row.who, row.at) for sample, group, new in labels]
