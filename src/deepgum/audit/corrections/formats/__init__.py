"""Decisions in the formats of other programs: as a patch, for Label Studio, as COCO keypoints, for FiftyOne."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats.coco import write_coco
from deepgum.audit.corrections.formats.fiftyone import write_fiftyone
from deepgum.audit.corrections.formats.label_studio import is_configuration, serving, write_label_studio
from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.corrections.patch_of import patch_of
from deepgum.audit.folder import AuditFolder
from deepgum.checks import check_choice
from deepgum.errors import InvalidParameterError

__all__ = ["ENDINGS", "KINDS", "Exported", "Kind", "export_decisions"]

Kind = Literal["patch", "label-studio", "coco", "fiftyone"]
KINDS: tuple[Kind, ...] = get_args(Kind)


ENDINGS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {"patch": (".jsonl", ".patch"), "label-studio": (".json",), "coco": (".json",), "fiftyone": (".json",)}
)
"""How the file of each kind may end."""


@dataclass(frozen=True)
class Exported:
    """The files that were written, and what to do with them, a sentence or two."""

    files: tuple[Path, ...]
    next: str


def export_decisions(folder: AuditFolder, decisions: Iterable[Decision], path: Path, kind: Kind) -> Exported:
    """Write the decisions about an audit in the format of another program.

    Parameters
    ----------
    folder : AuditFolder
    decisions : iterable of Decision
        Of several about one label the last one counts. There may be none: then the flags are exported, to be decided
        about elsewhere.
    path : Path
        What is there is replaced, whole or not at all.
    kind : {"patch", "label-studio", "coco", "fiftyone"}

    Raises
    ------
    UnknownNameError
        If the kind is none of the four.
    InvalidParameterError
        If `path` does not end as `ENDINGS` says, is a folder or a file of the audit's own: a slip may not cost data.
    InvalidDataError
        If a decision is not about the audit, or the format has no place for its labels.
    """
    check_choice("kind", kind, KINDS)
    _check_path(folder, path, kind)
    if kind == "patch":
        write_patch(patch_of(folder, decisions), path)
        return Exported((path,), f"Apply it: deepgum apply {path} DATA --out NEW")
    reviewed = ReviewedLabels.of(folder, decisions)
    if kind == "label-studio":
        files = write_label_studio(reviewed, path)
        return Exported(
            files,
            f"Make a project with {files[1].name} as its labeling interface, and import {path.name}. "
            + serving(reviewed),
        )
    if kind == "coco":
        files = write_coco(reviewed, path)
        return Exported(files, f"Its file names are relative to '{reviewed.pictures_for('COCO').folder}'.")
    return Exported(write_fiftyone(reviewed, path), f"Read it: fiftyone.Dataset.from_json({str(path)!r})")


def _check_path(folder: AuditFolder, path: Path, kind: Kind) -> None:
    if path.suffix.lower() not in ENDINGS[kind]:
        raise InvalidParameterError("export", f"a file that ends in {' or '.join(ENDINGS[kind])}", str(path))
    if path.is_dir():
        raise InvalidParameterError("export", "a file", str(path), "It is a folder.")
    if path.resolve() in [own.resolve() for own in folder.own_files]:
        raise InvalidParameterError("export", "another file than the audit's own", str(path))
    beside = path.with_suffix(".xml")
    if kind == "label-studio" and beside.is_file() and not is_configuration(beside):
        hint = f"'{beside}' would be replaced, which is no configuration of Label Studio."
        raise InvalidParameterError("export", "a file beside which the configuration can be written", str(path), hint)
