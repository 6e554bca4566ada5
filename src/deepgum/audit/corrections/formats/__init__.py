"""Exports of decisions: as a patch, as a table, for Label Studio, as COCO keypoints, and for FiftyOne."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats.coco import write_coco
from deepgum.audit.corrections.formats.decisions_table import write_decisions_table
from deepgum.audit.corrections.formats.fiftyone import write_fiftyone
from deepgum.audit.corrections.formats.label_studio import is_configuration, serving, write_label_studio
from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.corrections.patch_of import patch_of
from deepgum.audit.folder import AuditFolder
from deepgum.checks import check_choice
from deepgum.errors import InvalidParameterError
from deepgum.storage.output import check_file

__all__ = ["ENDINGS", "KINDS", "Exported", "Kind", "export_decisions"]

Kind = Literal["patch", "csv", "label-studio", "coco", "fiftyone"]
KINDS: tuple[Kind, ...] = get_args(Kind)


ENDINGS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "patch": (".jsonl", ".patch"),
        "csv": (".csv",),
        "label-studio": (".json",),
        "coco": (".json",),
        "fiftyone": (".json",),
    }
)
"""Endings of file names, for each kind of export."""


@dataclass(frozen=True)
class Exported:
    """The files of an export, one or two sentences that tell the user what to do next, and the number of decisions in
    the files. Skipped labels are not in the files.
    """

    files: tuple[Path, ...]
    next: str
    decisions: int


def export_decisions(folder: AuditFolder, decisions: Iterable[Decision], path: Path, kind: Kind) -> Exported:
    """Write the decisions about an audit as a patch or in the format of another program.

    Parameters
    ----------
    folder : AuditFolder
    decisions : iterable of Decision
        The last decision about a label counts. If there are no decisions, the formats of other programs hold the
        flagged labels, so that they can be reviewed there.
    path : Path
        The file to write. An existing file is replaced atomically.
    kind : {"patch", "csv", "label-studio", "coco", "fiftyone"}

    Raises
    ------
    UnknownNameError
        If `kind` is not one of these kinds.
    InvalidParameterError
        If `path` does not end as `ENDINGS` requires, or is a folder or a file of the audit itself.
    InvalidDataError
        If a decision is about a sample or group that is not in the audit, or the format cannot hold the labels.
    """
    check_choice("kind", kind, KINDS)
    _check_path(folder, path, kind)
    if kind == "patch":
        patch = patch_of(folder, decisions)
        write_patch(patch, path)
        words = f"Apply it with: deepgum apply {shlex.quote(str(path))} DATA --out NEW"
        return Exported((path,), words, len(patch.changes))
    reviewed = ReviewedLabels.of(folder, decisions)
    made = len(reviewed.decisions)
    if kind == "csv":
        return Exported(write_decisions_table(reviewed, path), "One row per decision.", made)
    if kind == "label-studio":
        files = write_label_studio(reviewed, path)
        return Exported(
            files,
            f"Create a project with {files[1].name} as its labeling interface, and import {path.name}. "
            + serving(reviewed),
            made,
        )
    if kind == "coco":
        files = write_coco(reviewed, path)
        return Exported(files, f"File names are relative to '{reviewed.pictures_for('COCO').folder}'.", made)
    return Exported(write_fiftyone(reviewed, path), f"Read it with: fiftyone.Dataset.from_json({str(path)!r})", made)


def _check_path(folder: AuditFolder, path: Path, kind: Kind) -> None:
    check_file(path, "export", ENDINGS[kind], inputs=folder.own_files)
    beside = path.with_suffix(".xml")
    if kind == "label-studio" and beside.is_file() and not is_configuration(beside):
        hint = f"'{beside}' would be replaced, and it is not a configuration of Label Studio."
        raise InvalidParameterError(
            "export", "a file with another name, because a configuration is written beside it", str(path), hint
        )
