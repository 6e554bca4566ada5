"""Whether a run may be written to a folder: never over anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deepgum.errors import DeepGUMError, OutputFolderError, differences, listing
from deepgum.experiments.runs.config import PUBLISHED, RunConfig
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.run_folder import RunFolder

__all__ = ["is_done"]

_HINT = "Give another output folder. Nothing was written."


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Whether the run is done; refuse a folder that holds anything but a run of this configuration.

    A finished run is known by the key that it was given when it was made: a later version may understand the same
    configuration otherwise, and the files that it names may have changed.

    A run that ended before its first epoch did does not count: its folder may be taken over, so that one that failed
    does not stand in the way of the corrected command. One that left a checkpoint holds work, and is refused.

    Raises
    ------
    OutputFolderError
        With the settings that differ, or with what is in the way.
    InvalidDataError
        If the scores of a finished run, with its key, cannot be read.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise OutputFolderError(f"'{folder.path}' should be a folder. Found a file. Nothing was written.")
    if not folder.config.is_file():
        present = folder.entries() if folder.path.is_dir() else []
        if present:
            raise OutputFolderError(
                f"'{folder.path}' should be new, empty, or of this run. It holds {listing(present)}. {_HINT}"
            )
        return False
    done = folder.metrics_file.is_file()
    try:
        before = read_recorded(folder.config)
    except DeepGUMError as error:
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of this run. It holds the configuration of something else: "
            f"{error} {_HINT}"
        ) from error
    if done:
        _check_finished(folder, before, config)
    elif folder.checkpoint.is_file() or folder.foreign():
        _check_unfinished(folder, before, config)
    return done


def _check_finished(folder: RunFolder, before: RunConfig, config: RunConfig) -> None:
    metrics = folder.metrics()
    if metrics.key == config.digest:
        return
    if not _same_settings(before, config):
        found = differences(before.to_mapping(), config.to_mapping())
        raise OutputFolderError(f"'{folder.path}' should be of this run. It holds another: {found}. {_HINT}")
    began_from = _began_from(config)
    # Without all of these a key cannot be made again, and the settings have to do.
    if all(path.is_file() for path in began_from.values()):
        changed = [f"the {what} '{path}' has changed since" for what, path in began_from.items()]
        causes = " or ".join([*changed, f"version {metrics.version}, which made it, took these settings otherwise"])
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. It holds one of the same settings and of another key, "
            f"{metrics.key!r} there and {config.digest!r} here: {causes}. {_HINT}"
        )


def _check_unfinished(folder: RunFolder, before: RunConfig, config: RunConfig) -> None:
    if _same_settings(before, config):
        return
    another, hint = "another", _HINT
    if folder.checkpoint.is_file():
        another = "another that is not finished"
        hint = (
            f"To go on with that one: deepgum fit {folder.config} --out {folder.path}. "
            "Give another output folder, or delete this one. Nothing was written."
        )
    found = differences(before.to_mapping(), config.to_mapping())
    raise OutputFolderError(f"'{folder.path}' should be of this run. It holds {another}: {found}. {hint}")


def _same_settings(before: RunConfig, config: RunConfig) -> bool:
    # A data file may have been moved; `digest` reads it where it is now.
    file = _data_file(config)
    moved = config.data.name == before.data.name and file is not None and file.is_file()
    there = replace(before, data=replace(before.data, folder=config.data.folder)) if moved else before
    return there.digest == config.digest


def _began_from(config: RunConfig) -> dict[str, Path]:
    """Return the files that the run's key knows by what they hold."""
    files = {"data file": _data_file(config), "file of weights": config.model.weights}
    return {what: path for what, path in files.items() if path is not None and path != PUBLISHED}


def _data_file(config: RunConfig) -> Path | None:
    return config.data.folder if config.data.dataset.is_file else None
