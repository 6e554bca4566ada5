"""The rule for the data of an output folder: results are shown and continued only with the samples they were made from.

The content of the samples is in the folder of a run, comparison or audit (see `deepgum.data.content`). The place and
the times of the data files do not matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from deepgum.data.content import Content
from deepgum.errors import DeepGUMWarning, OutputFolderError
from deepgum.experiments.output import HINT
from deepgum.experiments.runs.config import DataConfig

__all__ = ["check_finished", "check_same_data", "check_same_weights"]


def check_same_data(folder: Path, kind: str, before: Content, now: Content) -> None:
    """Raise an error unless the content of the samples is the content from which the results of a folder were made.

    Parameters
    ----------
    folder : Path
    kind : str
        The word for the owner of the folder in the message: "run", "comparison" or "audit".
    before : Content
        The content in the folder.
    now : Content

    Raises
    ------
    OutputFolderError
        If the contents differ. The message names the samples that differ.
    """
    changes = now.changes(before)
    if changes:
        raise OutputFolderError(
            f"'{folder}' should be new, empty, or of this {kind}. It holds results of other data: {changes}. {HINT}"
        )


def check_same_weights(folder: Path, kind: str, before: str, now: str) -> None:
    """Raise an error if the file of weights has changed since the results in a folder were made.

    Parameters
    ----------
    folder, kind
        See `check_same_data`.
    before, now : str
        The SHA-256 of the file of weights. It is empty if there is no file, or if it is not known.

    Raises
    ------
    OutputFolderError
        If both files are known, and differ.
    """
    if before and now and before != now:
        raise OutputFolderError(
            f"'{folder}' should be new, empty, or of this {kind}. It holds results of another file of weights, with "
            f"the SHA-256 {before[:16]}... there and {now[:16]}... here. {HINT}"
        )


def check_finished(
    folder: Path,
    kind: str,
    kept: Path,
    before: DataConfig,
    now: DataConfig,
    load: Callable[[], Content],
    *,
    keyed: bool = False,
) -> None:
    """Raise an error unless the results in the folder of a finished run or audit were made from these data.

    If the contents cannot be compared, the data set must have the same path as before. This is the case if version
    0.1.0 made the folder, or if the data set does not exist any more.

    Parameters
    ----------
    folder, kind
        See `check_same_data`.
    kept : Path
        The file with the content.
    before, now : DataConfig
        The data in the configuration of the folder, and the new configuration of the data.
    load : callable
        Function that reads the data, and returns their content.
    keyed : bool
        Whether the folder holds a key that contains the bytes of all data, and this key was compared.

    Raises
    ------
    OutputFolderError
        If the contents differ, or if they cannot be compared and the paths of the data set differ.
    InvalidDataError, InvalidParameterError
        If the data cannot be read.

    Warns
    -----
    DeepGUMWarning
        If it cannot be told whether the data have changed.
    """
    there, here = before.folder, now.folder
    exists = here is None or here.exists()
    if exists and kept.is_file():
        check_same_data(folder, kind, Content.read(kept), load())
        return
    if here is None or (exists and keyed):
        return
    if there is None or there.resolve() != here.resolve():
        raise OutputFolderError(
            f"'{folder}' should be new, empty, or of this {kind}. It holds results of the data '{there}'. It cannot be "
            f"told whether the samples in '{here}' are the same. {HINT}"
        )
    warnings.warn(
        f"It cannot be told whether '{here}' has changed since the results in '{folder}' were made. If it has changed, "
        "give another output folder.",
        DeepGUMWarning,
        stacklevel=2,
    )
