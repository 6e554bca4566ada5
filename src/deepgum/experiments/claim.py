"""Whether a run may be written to a folder: never over anything else."""

from __future__ import annotations

from dataclasses import replace

from deepgum.errors import DeepGUMError, OutputFolderError, differences, listing
from deepgum.experiments.config import PUBLISHED, RunConfig
from deepgum.experiments.config_file import read_config
from deepgum.experiments.run_folder import RunFolder

__all__ = ["is_done"]


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Whether the run is done; refuse a folder that holds anything but a run of this configuration.

    A run that ended before its first epoch did does not count: its folder may be taken over, so that one that failed
    does not stand in the way of the corrected command. One that left a checkpoint holds work, and is refused.

    Raises
    ------
    OutputFolderError
        With the settings that differ, or with what is in the way.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise OutputFolderError(f"'{folder.path}' should be a folder. Found a file. Nothing was written.")
    if not folder.config.is_file():
        present = folder.entries() if folder.path.is_dir() else []
        if present:
            raise OutputFolderError(
                f"'{folder.path}' should be new, empty, or of this run. It holds {listing(present)}. "
                "Give another output folder. Nothing was written."
            )
        return False
    try:
        before = read_config(folder.config)
    except DeepGUMError as error:
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of this run. It holds the configuration of something else: "
            f"{error} Give another output folder. Nothing was written."
        ) from error
    # A table may have been moved; `digest` reads it where it is now.
    table = config.data.name == before.data.name == "table"
    there = replace(before, data=replace(before.data, folder=config.data.folder)) if table else before
    done = folder.metrics_file.is_file()
    unfinished = not done and folder.checkpoint.is_file()
    if not done and not unfinished and not folder.foreign():
        return False
    if there.digest != config.digest:
        found = differences(before.to_mapping(), config.to_mapping())
        another, hint = "another", "Give another output folder."
        if unfinished:
            another = "another that is not finished"
            hint = (
                f"To go on with that one: deepgum fit {folder.config} --out {folder.path}. "
                "Give another output folder, or delete this one."
            )
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. It holds {another}: {found}. {hint} Nothing was written."
        )
    # Without the weights that it began from, a run's key cannot be made again.
    weights = config.model.weights
    complete = weights is None or weights == PUBLISHED or weights.is_file()
    if done and table and complete and folder.metrics().key != config.digest:
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. The table '{config.data.folder}' has changed since. "
            "Give another output folder. Nothing was written."
        )
    return done
