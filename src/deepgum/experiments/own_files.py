"""The files of runs, audits and comparisons. A command that only reads such a folder does not replace them."""

from __future__ import annotations

from pathlib import Path

from deepgum.audit.folder import AuditFolder
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.runs.run_folder import RunFolder

__all__ = ["own_files", "own_files_near"]


def own_files(folder: Path) -> list[Path]:
    """Return the files that a run, an audit or a comparison writes to its folder. The files need not exist.

    If the folder holds none of the three, the list is empty.
    """
    run, audit, comparison = RunFolder(folder), AuditFolder(folder), OutputFolder(folder)
    files: list[Path] = []
    if run.config.is_file() and (run.environment.is_file() or run.metrics_file.is_file()):
        files += run.own_files
    if audit.summary_file.is_file() and audit.scores_file.is_file():
        files += audit.own_files
    if comparison.config.is_file() and comparison.results.path.is_file():
        folders = comparison.posteriors, comparison.content(0).parent
        files += [comparison.config, comparison.results.path, *(file for each in folders for file in each.glob("*"))]
    return files


def own_files_near(path: Path) -> list[Path]:
    """Return the files of the runs, audits and comparisons in the two folders above a path."""
    folder = path.resolve().parent
    return own_files(folder) + own_files(folder.parent)
