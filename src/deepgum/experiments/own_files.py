"""The files of runs, audits and comparisons. A command that only reads such a folder does not replace them."""

from __future__ import annotations

from pathlib import Path

from deepgum.errors import InvalidParameterError
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.storage.output import is_same_file
from deepgum.storage.upgrade import FIRST, made_by

__all__ = ["check_config", "own_files", "own_files_near"]


def own_files(folder: Path) -> list[Path]:
    """Return the files that a run, an audit or a comparison writes to its folder. The files need not exist.

    If the folder holds none of the three, the list is empty.
    """
    run, comparison = RunFolder(folder), OutputFolder(folder)
    files: list[Path] = []
    if run.config.is_file() and (run.environment.is_file() or run.metrics_file.is_file()):
        files += run.own_files
    if (folder / "summary.json").is_file():
        # Imported late: it loads torch, and commands that draw work without torch.
        from deepgum.audit.folder import AuditFolder

        audit = AuditFolder(folder)
        files += audit.own_files if audit.scores_file.is_file() else ()
    if comparison.config.is_file() and comparison.results.path.is_file():
        folders = comparison.posteriors, comparison.content(0).parent
        files += [comparison.config, comparison.results.path, *(file for each in folders for file in each.glob("*"))]
    return files


def own_files_near(path: Path) -> list[Path]:
    """Return the files of the runs, audits and comparisons in the two folders above a path."""
    folder = path.resolve().parent
    return own_files(folder) + own_files(folder.parent)


def check_config(config: Path, recorded: Path) -> None:
    """Refuse an output folder whose configuration file would replace the file that the user wrote.

    Parameters
    ----------
    config : Path
        The file that the command reads.
    recorded : Path
        The file in the output folder, in which the command records the whole configuration. It may be `config` if a
        command wrote this file.

    Raises
    ------
    InvalidParameterError
        If `recorded` is the file of the user.
    """
    written = made_by(recorded) != FIRST or own_files(recorded.parent)
    if is_same_file(config, recorded) and not written:
        hint = f"'{recorded}' would be replaced by the same settings without your comments."
        raise InvalidParameterError("out", "another folder than that of your file", str(recorded.parent), hint)
