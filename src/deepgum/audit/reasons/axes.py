"""Reason `axes`: x and y are exchanged. If they are exchanged back, the label agrees with the prediction."""

from __future__ import annotations

from collections.abc import Iterator

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.known import known_findings

__all__ = ["Axes"]


class Axes(Reason):
    """The x and the y of a landmark are exchanged. The exchanged label is suggested.

    The posterior alone finds this error: see `deepgum.posteriors.kinds.exchanges`.
    """

    name = "axes"
    words = "x and y are exchanged"
    rank = 20
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged label whose error the posterior knows."""
        yield from known_findings(self, case)
