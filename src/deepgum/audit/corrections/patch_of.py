"""Decisions brought together with the labels that they are about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch import Change, Labels, Patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import Place, ScoredLabels, Values
from deepgum.data.sets.registry import DATASETS
from deepgum.errors import InvalidDataError

__all__ = ["decided_values", "patch_of", "placed"]

DIGITS = 7
"""Significant ones of an audited label: it was a float32, and what stands behind them is rounding."""


def placed(labels: ScoredLabels, decisions: Iterable[Decision]) -> dict[Place, Decision]:
    """Return the decision of each (sample, group), in the order of the labels.

    Of several about one label the last one counts; where that is to skip it, there is none.

    Raises
    ------
    InvalidDataError
        If there is no such sample or group, or a new label has not as many numbers as its group.
    """
    rows = {name: row for row, name in enumerate(labels.ids)}
    groups = {name: place for place, name in enumerate(labels.group_names)}
    found: dict[Place, Decision] = {}
    for decision in decisions:
        if decision.sample not in rows or decision.group not in groups:
            raise InvalidDataError(
                f"A decision should be about a sample and a group of the audit. Found {decision.sample!r}, "
                f"{decision.group!r}. It has {len(rows)} samples and the groups {', '.join(map(repr, groups))}."
            )
        place = rows[decision.sample], groups[decision.group]
        size = len(labels.partition[place[1]])
        if decision.new is not None and len(decision.new) != size:
            raise InvalidDataError(
                f"The group {decision.group!r} has {size} labels. Found {len(decision.new)} new ones for "
                f"{decision.sample!r}."
            )
        found[place] = decision
    return {place: found[place] for place in sorted(found) if found[place].action != "skip"}


def decided_values(labels: ScoredLabels, decided: Mapping[Place, Decision]) -> Values:
    """Return the labels (n, d) as they were decided; as given where nothing was, NaN where they were dropped."""
    values = labels.given.copy()
    for (row, group), decision in decided.items():
        if decision.action == "drop":
            values[row, list(labels.partition[group])] = np.nan
        elif decision.new is not None:
            values[row, list(labels.partition[group])] = decision.new
    return values


def patch_of(folder: AuditFolder, decisions: Iterable[Decision]) -> Patch:
    """Return the patch of an audit's data set: a change for each label that was decided about.

    Where nobody gave a reason, it is the audit's.

    Raises
    ------
    InvalidDataError
        As of `placed`, or if the audit cannot be read.
    """
    labels, data = folder.labels(), folder.summary().data
    changes = []
    for (row, group), decision in placed(labels, decisions).items():
        if decision.action != "skip":  # as `placed` has seen to
            changes.append(
                Change(
                    id=decision.sample,
                    group=decision.group,
                    old=_plain(labels.given[row, list(labels.partition[group])]),
                    new=decision.new,
                    decision=decision.action,
                    reason=decision.reason or labels.why.get((row, group), ""),
                    who=decision.who,
                    at=decision.at,
                )
            )
    # A plug-in is not imported here: the folder may come from somebody else. Its patch has all options that are set.
    kept = DATASETS[data.name].label_options if data.name in DATASETS else data.options
    return Patch(
        dataset=data.name,
        # Defaults and local paths are left out.
        options={name: data.options[name] for name in kept if data.options.get(name)},
        targets=labels.target_names,
        groups=dict(zip(labels.group_names, labels.partition, strict=True)),
        unit=data.unit,
        source=Path(data.path).name,
        changes=tuple(changes),
    )


def _plain(values: Values) -> Labels:
    return tuple(math.nan if math.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values.tolist())
