"""Check whether a run is done, and whether its folder may be written to."""

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

__all__ = ["is_done", "recorded_config"]


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Return whether the run is done. Raise an error unless the folder is new, is empty, or belongs to this run.

    A finished run is identified by its stored key. Equal settings are not enough, because another version may interpret
    the same settings differently, and because the files that the settings name may have changed. An unfinished run is
    identified by its settings. The checkpoint of an unfinished run is checked when the training is resumed.

    The folder of a run that ended before its first checkpoint holds no work. Another run may use this folder, so that a
    user can correct a failed command and call it again.

    Raises
    ------
    OutputFolderError
        If the folder belongs to another run or holds other files. The message lists the settings that differ, or the
        names of the files.
    InvalidDataError
        If the file with the scores and the key of a finished run cannot be read.
    """
    before = recorded_config(folder, config)
    if before is None:
        return False
    if folder.metrics_file.is_file():
        _check_finished(folder, before, config)
        return True
    if (folder.checkpoint.is_file() or folder.foreign()) and not _same_settings(before, config):
        raise _another(folder, before, config)
    return False


def recorded_config(folder: RunFolder, config: RunConfig) -> RunConfig | None:
    """Return the configuration that the folder holds, or None if the folder is new or empty.

    Only code that `config` names is imported.

    Raises
    ------
    OutputFolderError
        See `deepgum.experiments.output.held`.
    """
    trusted = code_named(config.to_mapping()).values()
    return held(folder.path, "run", folder.config, lambda path: read_recorded(path, trust=trusted))


def _check_finished(folder: RunFolder, before: RunConfig, config: RunConfig) -> None:
    metrics = folder.metrics()
    if metrics.key == config.digest:
        return
    if not _same_settings(before, config):
        raise another(folder.path, "run", before.to_mapping(), config.to_mapping(), made_by=metrics.version)
    inputs = _input_files(config)
    # The key can be computed again only if all these files exist. If one is missing, equal settings are enough.
    if all(path.is_file() for path in inputs.values()):
        changed = [f"the {kind} '{path}' has changed since" for kind, path in inputs.items()]
        causes = " or ".join([*changed, f"version {metrics.version}, which made it, read these settings differently"])
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of this run. It holds a run with the same settings and another "
            f"key, {metrics.key!r} there and {config.digest!r} here: {causes}. {HINT}"
        )


def _another(folder: RunFolder, before: RunConfig, config: RunConfig) -> OutputFolderError:
    """Return the error for a folder with another unfinished run, or with files that a run does not make."""
    kind, hint, made = "run", HINT, made_by(folder.config)
    if folder.checkpoint.is_file():
        kind = "run that is not finished"
        if made == __version__:
            hint = f"To resume that run: deepgum fit {folder.config} --out {folder.path}. {HINT}"
    return another(folder.path, kind, before.to_mapping(), config.to_mapping(), made_by=made, hint=hint)


def _same_settings(before: RunConfig, config: RunConfig) -> bool:
    # The data file may have moved, so the old settings are compared with its new path.
    file = _data_file(config)
    moved = config.data.name == before.data.name and file is not None and file.is_file()
    there = replace(before, data=replace(before.data, folder=config.data.folder)) if moved else before
    return there.digest == config.digest


def _input_files(config: RunConfig) -> dict[str, Path]:
    """Return the files whose contents are part of the key of a run."""
    files = {"data file": _data_file(config), "file of weights": config.model.weights}
    return {kind: path for kind, path in files.items() if path is not None and path != PUBLISHED}


def _data_file(config: RunConfig) -> Path | None:
    return config.data.folder if config.data.dataset.is_file else None
