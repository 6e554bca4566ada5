"""Decisions as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deepgum.audit.decided import patch_of
from deepgum.audit.folder import AuditFolder
from deepgum.audit.patch_file import write_patch
from deepgum.checks import check_choice
from deepgum.review.store import DecisionStore

__all__ = ["export_decisions"]


def export_decisions(folder: AuditFolder, files: Mapping[str, Path]) -> dict[Path, str]:
    for kind in files:
        check_choice("export", kind, ("patch",))
    with DecisionStore.of(folder) as store:
        decisions = store.decisions()
    for file in files.values():
        write_patch(patch_of(folder, decisions), file)
    return {file: f"{len(decisions)} decisions" for file in files.values()}
