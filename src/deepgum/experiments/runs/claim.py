"""Whether a run is done, and whether its folder may be written to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deepgum._version import __version__
from deepgum.errors import OutputFolderError
from deepgum.experiments.output import HINT, another, held
from deepgum.experiments.runs.config import PUBLISHED, RunConfig
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.plugins import code_named
from deepgum.storage.upgrade import made_by

__all__ = ["is_done"]


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Return whether the run is done; refuse a folder that is not new, empty or of this run.

    A finished run is known by the key that it was given when it was made: a later version may read the same settings
    otherwise, and the files that they name may have changed. A run that is not finished is known by its settings; its
    checkpoint is checked when the training goes on.

    The folder of a run that ended before its first checkpoint holds no work. Another run may take it over, so one that
    failed does not stand in the way of the corrected command.

    Raises
    ------
    OutputFolderError
        With the settings that differ, or the names of what is in the way.
    InvalidDataError
        If the scores of a finished run, with its key, cannot be read.
    """
    trusted = code_named(config.to_mapping()).values()
    before = held(folder.path, "run", folder.config, lambda path: read_recorded(path, trust=trusted))
    if before is None:
        return False
    if folder.metrics_file.is_file():
        _check_finished(folder, before, config)
        return True
    if (folder.checkpoint.is_file() or folder.foreign()) and not _same_settings(before, config):
        raise _another(folder, before, config)
    return False


def _check_finished(folder: RunFolder, before: RunConfig, config: RunConfig) -> None:
    metrics = folder.metrics()
    if metrics.key == config.digest:
        return
    if not _same_settings(before, config):
        raise another(folder.path, "run", before.to_mapping(), config.to_mapping(), made_by=metrics.version)
    began_from = _began_from(config)
    # Without all of these files the key cannot be computed again, and the settings have to do.
    if all(path.is_file() for path in began_from.values()):
        changed = [f"the {what} '{path}' has changed since" for what, path in began_from.items()]
        causes = " or ".join([*changed, f"version {metrics.version}, which made it, read these settings otherwise"])
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of this run. It holds one of the same settings and of another "
            f"key, {metrics.key!r} there and {config.digest!r} here: {causes}. {HINT}"
        )


def _another(folder: RunFolder, before: RunConfig, config: RunConfig) -> OutputFolderError:
    """Return the error of a folder with another run that is not finished, or with files that no run has made."""
    kind, hint, made = "run", HINT, made_by(folder.config)
    if folder.checkpoint.is_file():
        kind = "run that is not finished"
        if made == __version__:
            hint = f"To go on with that one: deepgum fit {folder.config} --out {folder.path}. {HINT}"
    return another(folder.path, kind, before.to_mapping(), config.to_mapping(), made_by=made, hint=hint)


def _same_settings(before: RunConfig, config: RunConfig) -> bool:
    # The data file may have moved: the key reads it where it is now.
    file = _data_file(config)
    moved = config.data.name == before.data.name and file is not None and file.is_file()
    there = replace(before, data=replace(before.data, folder=config.data.folder)) if moved else before
    return there.digest == config.digest


def _began_from(config: RunConfig) -> dict[str, Path]:
    """Return the files whose contents are part of the key."""
    files = {"data file": _data_file(config), "file of weights": config.model.weights}
    return {what: path for what, path in files.items() if path is not None and path != PUBLISHED}


def _data_file(config: RunConfig) -> Path | None:
    return config.data.folder if config.data.dataset.is_file else None
