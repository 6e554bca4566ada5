"""The data of the gallery: flagged labels as JSON columns, compact enough for many thousands of labels.

The comment at the start of `assets/gallery.js` describes the format.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.corrections.outcomes import suggestion, undoes
from deepgum.audit.labels import Place, ScoredLabels
from deepgum.audit.reasons import REASONS
from deepgum.audit.sample_features import SampleFeatures
from deepgum.audit.summary import AuditSummary
from deepgum.report.page.thumbnails import View
from deepgum.report.page.words import data_folders, without_folders

__all__ = ["FORM", "flagged_rows", "gallery_data"]

FORM = "deepgum-gallery 1"

_SHOWN, _FINE, _EXACT = 6, 9, 15
"""Significant digits: for values that are only shown; for float32 values; for given labels, which corrections keep."""

Values = NDArray[np.float64]


def flagged_rows(places: Sequence[Place]) -> list[int]:
    """Return the row numbers of the flagged samples, without repetition, in the order of their first flags.

    Examples
    --------
    >>> flagged_rows([(7, 0), (2, 1), (7, 1)])
    [7, 2]
    """
    return list(dict.fromkeys(row for row, _ in places))


def gallery_data(
    summary: AuditSummary,
    labels: ScoredLabels,
    places: Sequence[Place],
    views: Sequence[View] | None = None,
    features: SampleFeatures | None = None,
) -> dict[str, Any]:
    """Return the data of the gallery, made of JSON values only.

    Parameters
    ----------
    summary : AuditSummary
    labels : ScoredLabels
    places : sequence of (row, group)
        The flags to show, worst first.
    views : sequence of View, optional
        The visible parts of the pictures, in the order of `flagged_rows(places)`; None if the samples have no pictures.
    features : SampleFeatures, optional
        The features of flagged samples; None if they are not known.
    """
    rows = flagged_rows(places)
    number = {row: index for index, row in enumerate(rows)}
    reasons = _reasons(summary, labels)
    order = {reason["key"]: position for position, reason in enumerate(reasons)}
    return {
        "form": FORM,
        "unit": summary.data.unit,
        "pictures": views is not None,
        "targets": _targets(labels),
        # Without a picture, the coordinates of landmarks are values on a scale.
        "points": _points(labels) if summary.data.landmarks and views is not None else [],
        "skeleton": _skeleton(summary, labels) if views is not None else [],
        "groups": [
            {"name": name, "targets": list(group)}
            for name, group in zip(labels.group_names, labels.partition, strict=True)
        ],
        "reasons": reasons,
        "total": int(labels.flags.sum()),
        "features": [] if features is None else list(features.names),
        "samples": {
            "row": rows,
            "id": [labels.ids[row] for row in rows],
            "given": [_numbers(labels.given[row], _EXACT) for row in rows],
            "predicted": [_numbers(labels.predicted[row], _FINE) for row in rows],
            "crop": [None if view.crop is None else _numbers(view.crop) for view in views or ()],
            "size": [None if view.size is None else list(view.size) for view in views or ()],
            "features": _features([labels.ids[row] for row in rows], features),
            "problem": {
                str(index): without_folders(view.problem, data_folders(summary.data))
                for index, view in enumerate(views or ())
                if view.problem
            },
        },
        "flags": {
            "sample": [number[row] for row, _ in places],
            "group": [group for _, group in places],
            "posterior": _numbers([labels.responsibilities[place] for place in places]),
            "distance": _numbers([labels.mahalanobis[place] for place in places]),
            "residual": _numbers([labels.residual_norms[place] for place in places]),
            "reason": [order[labels.kinds[place]] if place in labels.kinds else None for place in places],
            # The factor is not in the words of the reason; the words of other reasons say all.
            "undoes": [undoes(labels.why[place]) if labels.kinds.get(place) == "unit" else "" for place in places],
            "why": [labels.why.get(place, "") for place in places],
            "suggested": [_suggested(labels, place) for place in places],
            "uncertainty": [_part(labels.uncertainty, labels, place) for place in places],
        },
    }  # fmt: skip


def _features(ids: Sequence[str], features: SampleFeatures | None) -> list[list[list[Any]]]:
    """Return the features of samples, one list [columns, values, shares] per sample; an empty list without features."""
    if features is None:
        return []
    at = {name: place for place, name in enumerate(features.ids)}
    parts = [(features.columns[m], features.values[m], features.shares[m]) for m in (at[name] for name in ids)]
    return [[list(columns), list(values), _numbers(shares, 2)] for columns, values, shares in parts]


def _reasons(summary: AuditSummary, labels: ScoredLabels) -> list[dict[str, str]]:
    """Return key and description of each reason that occurs. Summaries of version 0.1.0 have no descriptions."""
    occurring = dict.fromkeys(labels.kinds.values())
    words = {each.name: each.words for each in summary.reasons}
    words |= {name: each.words for name, each in REASONS.items() if name not in words}
    words |= {name: name for name in occurring if name not in words}
    return [{"key": name, "words": text} for name, text in words.items() if name in occurring]


def _points(labels: ScoredLabels) -> list[dict[str, Any]]:
    return [{"name": name, "x": 2 * index, "y": 2 * index + 1} for index, name in enumerate(labels.landmark_names)]


def _skeleton(summary: AuditSummary, labels: ScoredLabels) -> list[list[int]]:
    """Return the pairs of landmarks that a line connects. A pair of unknown landmarks is left out."""
    if not summary.data.landmarks:
        return []
    known = range(len(labels.target_names) // 2)
    return [[one, other] for one, other in summary.data.skeleton if one in known and other in known]


def _targets(labels: ScoredLabels) -> list[dict[str, Any]]:
    """Return the name, the period and the two ends of the scale for each target.

    The range of the scale includes all predictions, and all labels that are not flagged.
    """
    kept = labels.given.copy()
    for group, flags in zip(labels.partition, labels.flags.T, strict=True):
        kept[np.ix_(flags, list(group))] = np.nan
    targets = []
    for place, name in enumerate(labels.target_names):
        values = np.concatenate([kept[:, place], labels.predicted[:, place]])
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, (0.002, 0.998)).tolist() if len(values) else (0.0, 1.0)
        period = labels.periods[place] if labels.periods else 0.0
        targets.append({"name": name, "low": _rounded(low), "high": _rounded(high), "period": period})
    return targets


def _part(values: Values, labels: ScoredLabels, place: Place) -> list[float | None] | None:
    part = values[place[0], list(labels.partition[place[1]])]
    return None if np.isnan(part).all() else _numbers(part, _FINE)


def _suggested(labels: ScoredLabels, place: Place) -> list[float | None] | None:
    """Return the suggested values that a reviewer takes, or else those coordinates that have a suggestion."""
    whole = suggestion(labels, place)
    return _part(labels.suggested, labels, place) if whole is None else _numbers(whole, _EXACT)


def _numbers(values: Sequence[float] | Values, digits: int = _SHOWN) -> list[float | None]:
    return [_rounded(float(value), digits) for value in values]


def _rounded(value: float, digits: int = _SHOWN) -> float | None:
    """Return a number rounded to `digits` significant digits. NaN and infinity, which JSON lacks, become None."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
