"""Whether a run may be written to a folder: never over anything else."""

from __future__ import annotations

from dataclasses import replace

from deepgum.errors import DeepGUMError, OutputFolderError, listing
from deepgum.experiments.config import PUBLISHED, RunConfig
from deepgum.experiments.config_file import read_config
from deepgum.experiments.run_folder import RunFolder

__all__ = ["is_done"]


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Whether the run is done; refuse a folder that holds anything but a run of this configuration.

    A run that was never finished does not count: its folder may be taken over, so that one that failed does not stand
    in the way of the corrected command.

    Raises
    ------
    OutputFolderError
        With the settings that differ, or with what is in the way.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise OutputFolderError(f"'{folder.path}' should be a folder. Found a file. Nothing was written.")
    if not folder.config.is_file():
        present = sorted(entry.name for entry in folder.path.iterdir()) if folder.path.is_dir() else []
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
    if not done and not folder.foreign():
        return False
    if there.digest != config.digest:
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. It holds another: {_differences(before, config)}. "
            "Give another output folder. Nothing was written."
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


def _differences(before: RunConfig, now: RunConfig) -> str:
    theirs, ours = (_flat(config.to_mapping()) for config in (before, now))
    return "; ".join(
        f"{key} = {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    )


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
