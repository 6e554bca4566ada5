"""The values that the template of the report shows above the gallery."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from deepgum.audit.calibration import Calibration
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import AuditSummary, GroupSummary
from deepgum.report.page.plots import SHOWN, draw_history, draw_reliability, draw_residuals, draw_shares
from deepgum.report.page.svg import inline_svg
from deepgum.report.page.words import data_folders, without_folders

__all__ = ["page_content"]

_PANELS = 6
_LISTED = 500
_RUNS = 50


def page_content(
    path: Path,
    summary: AuditSummary,
    labels: ScoredLabels,
    calibration: Calibration | None = None,
    *,
    pictures: bool = True,
) -> dict[str, Any]:
    """Return the values for the template of the report, except the gallery, the scripts and the style.

    Parameters
    ----------
    path : Path
        Folder of the audit. If the path is absolute, the page shows its last part only.
    summary : AuditSummary
    labels : ScoredLabels
    calibration : Calibration, optional
        None if the wrong labels are not known.
    pictures : bool
        Whether the samples have pictures. Otherwise they are rows of features.
    """
    shown = _panels(summary.groups)
    return {
        "summary": summary,
        "name": Path(summary.data.path).name or summary.data.name,
        "what": "landmark" if summary.data.landmarks else "label",
        "flagged_samples": int(labels.flags.any(axis=1).sum()),
        "review": f"deepgum review {shlex.quote(path.name if path.is_absolute() else str(path))}",
        "deviations": [_deviation(group) for group in summary.groups],
        "residuals": [
            (
                summary.groups[place],
                inline_svg(
                    draw_residuals(labels, place, summary.groups[place]),
                    f"residuals-{place}",
                    f"Residuals of {summary.groups[place].name} with the fitted mixture",
                ),
            )
            for place in shown
        ],
        "shares": _shares(summary),
        "runs": summary.flagged_runs[:_RUNS],
        "reason_words": {each.name: each.words for each in summary.reasons},
        "history": _history(summary),
        "calibration": calibration,
        "reliability": _reliability(calibration),
        "conflicts": _conflicts(summary, labels),
        "unreadable": {
            name: without_folders(reason, data_folders(summary.data)) for name, reason in summary.unreadable.items()
        },
        "listed": _LISTED,
        "most_shares": SHOWN,
        "known_shares": sum(group.share is not None for group in summary.groups),
        "remarks": _remarks(summary),
        "pictures": pictures,
        "two_sided": any(group.share is not None and group.share.is_two_sided for group in summary.groups),
    }


def _remarks(summary: AuditSummary) -> dict[str, list[str]]:
    """Return verdicts on groups that need a remark: verdict -> names of the groups."""
    remarks: dict[str, list[str]] = {}
    for group in summary.groups:
        if group.has_remark:
            remarks.setdefault(group.verdict, []).append(group.name)
    return remarks


def _panels(groups: tuple[GroupSummary, ...]) -> list[int]:
    """Return the positions in `groups` of the groups whose residuals are drawn, in ascending order. They have the most
    flags.
    """
    by_flags = sorted(range(len(groups)), key=lambda place: -groups[place].flags)
    return sorted(by_flags[:_PANELS])


def _shares(summary: AuditSummary) -> Markup | str:
    if len(summary.groups) < 2 or all(group.share is None for group in summary.groups):
        return ""
    return inline_svg(draw_shares(summary.groups, summary.share), "shares", "Share of wrong labels, by label")


def _history(summary: AuditSummary) -> Markup | str:
    if len(summary.history) < 2:
        return ""
    return inline_svg(draw_history(summary.history), "history", "Flags, round by round")


def _reliability(calibration: Calibration | None) -> Markup | str:
    if calibration is None:
        return ""
    return inline_svg(draw_reliability(calibration), "reliability", "Share of wrong labels against their probability")


def _deviation(group: GroupSummary) -> float:
    """Return the root mean square of the standard deviations of a group's coordinates, in the unit of the labels. The
    standard deviations are those of right labels.
    """
    return math.sqrt(np.trace(np.array(group.covariance)) / len(group.covariance))


def _conflicts(summary: AuditSummary, labels: ScoredLabels) -> list[list[tuple[str, str]]]:
    """Return one list for each set of copies with different labels, with a pair (id, label) for each copy.

    `label` is the label as a string if there is one target, and otherwise an empty string.
    """
    places = {name: row for row, name in enumerate(labels.ids)}
    one = len(labels.target_names) == 1

    def label(name: str) -> str:
        return f"{labels.given[places[name], 0]:g}" if one and name in places else ""

    return [[(name, label(name)) for name in copies] for copies in summary.conflicts[:_LISTED]]
