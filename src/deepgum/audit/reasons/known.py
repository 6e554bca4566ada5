"""Findings from the posterior: flags whose error is of a kind that the data prove.

The reason, the suggestion with its uncertainty, and the probability then come from one model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.gaussian import normal
from deepgum.audit.reasons.known_errors import KnownErrors
from deepgum.wording import deviations, values

__all__ = ["known_findings"]

Values = NDArray[np.float64]

RANK = 15
"""A proven kind precedes all reasons except copies."""


def known_findings(reason: Reason, case: Case) -> Iterator[Finding]:
    """Yield a finding for each flagged label whose most probable kind has this reason."""
    known = case.known
    if known is None:
        return
    admitted = known.mixture.admitted
    if not any(each.kind.reason == reason.name for each in admitted):
        return
    given = known.comparison.given
    undone = [each.kind.undo(given, known.comparison) for each in admitted]
    scales = [np.exp(each.kind.log_change(given, known.comparison)) for each in admitted]
    named = known.posterior.named
    for row, group in case.places:
        kind = int(named[row, group])
        if kind < 0 or admitted[kind].kind.reason != reason.name:
            continue
        chosen = admitted[kind].kind
        columns = list(case.labels.partition[group])
        suggested = undone[kind][row, columns]
        residual = case.wrapped(suggested - case.labels.predicted[row, columns], columns)
        away = deviations(_distance(residual, case.deviation[row, columns], case.covariances[group]))
        label = values(suggested[~np.isnan(suggested)], case.unit)
        yield Finding(
            reason,
            (row, group),
            f"{chosen.words} it fits: {label}, {away} from the prediction.",
            suggested,
            _uncertainty(case, known, undone, scales, suggested, row, group),
            RANK,
        )


def _uncertainty(
    case: Case, known: KnownErrors, undone: list[Values], scales: list[Values], suggested: Values, row: int, group: int
) -> Values:
    """Return the standard deviation (k,) of the right label around the suggestion, over all that it may be."""
    columns = list(case.labels.partition[group])
    shares = known.posterior.kinds[:, row, group]
    right = float(known.posterior.right[row, group])
    variance = right * np.square(case.wrapped(case.labels.given[row, columns] - suggested, columns))
    step = np.array([case.step_of(row, column) for column in columns])
    for share, labels, scale in zip(shares.tolist(), undone, scales, strict=True):
        if share > 0:
            difference = case.wrapped(labels[row, columns] - suggested, columns)
            rounding = np.square(scale[row, columns] * step) / 12
            variance = variance + share * (np.square(difference) + rounding)
    rest = max(0.0, 1 - right - float(shares.sum()))
    away = case.wrapped(case.labels.predicted[row, columns] - suggested, columns)
    variance = variance + rest * (np.square(away) + np.square(case.deviation[row, columns]))
    return np.asarray(np.sqrt(variance))


def _distance(residual: Values, deviation: Values, covariance: Values) -> float:
    """Return the Mahalanobis distance of a residual (k,), in standard deviations of right labels."""
    if len(residual) == 1:
        return abs(residual.item()) / max(deviation.item(), math.ulp(0.0))
    return float(normal(residual[None], covariance).distance[0])
