"""Rule: merely hard. The networks disagree so much about a sample that its label may be right all the same."""

from __future__ import annotations

import numpy as np

from deepgum.audit.labels import Place
from deepgum.audit.reason import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.finding import Finding
from deepgum.audit.reasons.wording import amount

__all__ = ["hard"]


def hard(case: Case) -> dict[Place, Finding]:
    """Return a finding for each flag that would fall if the prediction's own uncertainty were counted.

    That is the spread between the folds' networks, as far as it is above what is usual: the covariance of right labels
    holds the usual one. Nothing is suggested.
    """
    labels = case.labels
    found: dict[Place, Finding] = {}
    if labels.spread is None:
        return found
    for group, columns in enumerate(labels.partition):
        rows = (case.flags[:, group] & (case.excess[:, group] > 0)).nonzero()[0]
        residuals = labels.residuals[rows][:, columns]
        log_odds = case.log_odds_right(residuals, rows, group)
        nothing = np.full(len(columns), np.nan)
        for row, odds in zip(rows.tolist(), log_odds.tolist(), strict=True):
            if odds >= 0:
                spread = amount(labels.spread[row, group], case.unit)
                usual = amount(case.usual_spread[group], "")
                off = amount(labels.residual_norms[row, group], case.unit)
                why = (
                    f"The networks disagree by {spread} about this sample ({usual} is usual), and the label is {off} "
                    "from their mean: it may well be right."
                )
                found[row, group] = Finding(Reason.HARD, why, nothing, nothing, odds)
    return found
