"""The conversion of a reviewer's decisions about an audit to a patch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from deepgum.audit.corrections.decisions import Decision, decisions_by_place
from deepgum.audit.corrections.outcomes import OUTCOMES, outcome
from deepgum.audit.corrections.patch import Change, Labels, Patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import Place, ScoredLabels, Values
from deepgum.data.sets.registry import DATASETS

__all__ = ["patch_of"]

DIGITS = 7
"""Significant digits of an audited label; further digits are rounding errors of float32."""


def patch_of(folder: AuditFolder, decisions: Iterable[Decision]) -> Patch:
    """Return the patch of an audit's data set, with one change for each label that has a decision.

    A decision without a note gets the sentence of the audit about the label, if there is one. The reason of a new value
    begins with "Suggestion taken." or "Corrected by hand."; see `Change.how`.

    Raises
    ------
    InvalidDataError
        If the audit cannot be read, or a decision does not fit the audit (see `decisions_by_place`).
    """
    labels, data = folder.labels(), folder.summary().data
    changes = []
    for (row, group), decision in decisions_by_place(labels, decisions).items():
        if decision.action != "skip":  # always true; for the type checker
            changes.append(
                Change(
                    id=decision.sample,
                    group=decision.group,
                    old=_plain(labels.given[row, list(labels.partition[group])]),
                    new=decision.new,
                    decision=decision.action,
                    reason=_reason(labels, (row, group), decision),
                    who=decision.who,
                    at=decision.at,
                )
            )
    # Do not import a plug-in, because the folder may be untrusted. The patch of a plug-in has all options that are set.
    kept = DATASETS[data.name].label_options if data.name in DATASETS else data.options
    return Patch(
        dataset=data.name,
        # Leave out defaults and local paths.
        options={name: data.options[name] for name in kept if data.options.get(name)},
        targets=labels.target_names,
        groups=dict(zip(labels.group_names, labels.partition, strict=True)),
        unit=data.unit,
        source=Path(data.path).name,
        changes=tuple(changes),
    )


def _reason(labels: ScoredLabels, place: Place, decision: Decision) -> str:
    note = decision.reason or labels.why.get(place, "")
    if decision.action != "fix":
        return note
    return f"{OUTCOMES[outcome(labels, place, decision)].capitalize()}. {note}".strip()


def _plain(values: Values) -> Labels:
    return tuple(math.nan if math.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values.tolist())
