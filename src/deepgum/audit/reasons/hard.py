"""Reason `hard`: the prediction is so uncertain that the label may well be right."""

from __future__ import annotations

from collections.abc import Iterator

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.wording import amount

__all__ = ["Hard"]


class Hard(Reason):
    """The label would not be flagged if the uncertainty of its prediction were counted. Nothing is suggested.

    The uncertainty comes from the spread, the disagreement between networks. Only the part of the spread above the
    usual spread counts, because the covariance of right labels contains the usual spread.
    """

    name = "hard"
    words = "hard to predict: the label may well be right"
    rank = 50

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged label whose flag vanishes if the noise includes the spread of networks."""
        labels = case.labels
        if labels.spread is None:
            return
        for group, columns in enumerate(labels.partition):
            rows = (case.flags[:, group] & (case.excess[:, group] > 0)).nonzero()[0]
            if not len(rows):
                continue
            log_odds = case.log_odds_right(labels.residuals[rows][:, columns], rows, group)
            for row in rows[log_odds >= 0].tolist():
                spread = amount(labels.spread[row, group], case.unit)
                usual = amount(case.usual_spread[group], "")
                away = amount(labels.residual_norms[row, group], case.unit)
                why = (
                    f"The networks disagree by {spread} about this sample ({usual} is usual), and the label is {away} "
                    "from the mean prediction: it may well be right."
                )
                yield Finding(self, (row, group), why)
