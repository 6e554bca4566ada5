"""All reasons: the built-in reasons and the reasons of a user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deepgum.audit.reasons.axes import Axes
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.copies import Copy
from deepgum.audit.reasons.drift import Drift
from deepgum.audit.reasons.fallbacks import Off, Shifted
from deepgum.audit.reasons.foreign import Foreign
from deepgum.audit.reasons.hard import Hard
from deepgum.audit.reasons.mark import Mark
from deepgum.audit.reasons.outside import Outside
from deepgum.audit.reasons.swapped import Swapped
from deepgum.audit.reasons.unit import Unit
from deepgum.errors import InvalidParameterError
from deepgum.plugins import PATH, resolve

__all__ = ["REASONS", "all_reasons"]

REASONS: Mapping[str, Reason] = {
    reason.name: reason
    for reason in (
        Copy(),
        Mark(),
        Drift(),
        Swapped(),
        Foreign(),
        Unit(),
        Axes(),
        Outside(),
        Hard(),
        Shifted(),
        Off(),
    )
}
"""The built-in reasons by name, in the order of their ranks."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def all_reasons(added: Sequence[object] = (), parameter: str = "reasons") -> tuple[Reason, ...]:
    """Return the built-in reasons and the added reasons, from the lowest rank up.

    Parameters
    ----------
    added : sequence of Reason, class or str
        Reasons to add: objects, classes that need no arguments, or paths "package.module:name" to objects or classes.
    parameter : str
        Name of the parameter that messages show.

    Raises
    ------
    InvalidParameterError
        If an added reason cannot be imported, lacks a part of the contract, or has the name of another reason.

    Examples
    --------
    >>> [reason.name for reason in all_reasons()]
    ['copy', 'mark', 'drift', 'swapped', 'foreign', 'unit', 'axes', 'outside', 'hard', 'shifted', 'off']
    """
    if isinstance(added, str) or not isinstance(added, Sequence):
        raise InvalidParameterError(parameter, f"a list of reasons, or of paths {PATH!r}", added)
    reasons = dict(REASONS)
    for value in added:
        reason = resolve(parameter, value, REASONS, Reason)  # type: ignore[type-abstract]
        _check(parameter, reason)
        if reason.name in reasons:
            hint = "Rename it, or leave it out: built-in reasons always apply."
            raise InvalidParameterError(parameter, "reasons with different names", reason.name, hint)
        reasons[reason.name] = reason
    return tuple(sorted(reasons.values(), key=lambda reason: reason.rank))


def _check(parameter: str, reason: Reason) -> None:
    """Refuse a reason if its name, words, rank or rule has the wrong type."""
    kind = type(reason).__name__
    if not isinstance(reason.name, str) or not _NAME.fullmatch(reason.name):
        expected = f"a Reason whose `name` has lower-case letters, digits, _ and - only (`{kind}.name`)"
        raise InvalidParameterError(parameter, expected, reason.name)
    if not isinstance(reason.words, str) or not reason.words.strip():
        raise InvalidParameterError(parameter, f"a Reason whose `words` describe it (`{kind}.words`)", reason.words)
    if not isinstance(reason.rank, int) or isinstance(reason.rank, bool):
        raise InvalidParameterError(parameter, f"a Reason whose `rank` is a whole number (`{kind}.rank`)", reason.rank)
