"""The rules for output folders: a run, comparison or audit writes only to a new folder, an empty folder or its own
folder.

No run, comparison or audit overwrites the output of another. The configuration file in a folder identifies the owner of
the folder. This file is written first. Hidden files (locks, temporary files, files of the system) are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from deepgum._version import __version__
from deepgum.errors import (
    DeepGUMError,
    OutputFolderError,
    UntrustedCodeError,
    differences,
    listing,
)

__all__ = ["HINT", "another", "check_empty", "entries", "held"]

HINT = "Give another output folder. Nothing was written."

C = TypeVar("C")


def held(folder: Path, kind: str, config: Path, read: Callable[[Path], C]) -> C | None:
    """Return the configuration that an output folder holds, or None if the folder is new or empty.

    Parameters
    ----------
    folder : Path
    kind : str
        The word for the owner of the folder in messages: "run", "comparison" or "audit".
    config : Path
        The configuration file in the folder.
    read : callable
        Function that reads the configuration file. The function may import only code that the user's configuration
        names. If the file names other code, this code is not imported, and the folder belongs to another owner.

    Raises
    ------
    OutputFolderError
        If the path is a file, if the folder holds other files without a configuration, or if the configuration cannot
        be read or names other code.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"'{folder}' should be a folder. Found a file. {HINT}")
    if not config.is_file():
        check_empty(folder, f"new, empty, or of this {kind}")
        return None
    try:
        return read(config)
    except UntrustedCodeError as error:
        found = f"another {kind}, which uses other code: {listing([*error.named.values()])}."
    except DeepGUMError as error:
        found = f"another configuration: {error}"
    raise OutputFolderError(f"'{folder}' should be new, empty, or of this {kind}. It holds {found} {HINT}")


def another(
    folder: Path, kind: str, there: Mapping[str, Any], here: Mapping[str, Any], *, made_by: str = "", hint: str = HINT
) -> OutputFolderError:
    """Return the error for a folder that holds another run, comparison or audit. The message lists the settings that
    differ.

    Parameters
    ----------
    folder : Path
    kind : str
        As in `held`, or with more words, for example "run that is not finished".
    there, here : mapping
        The configuration in the folder, and the new configuration.
    made_by : str
        The version of deepgum that wrote the folder. The message names this version if it is not the installed version.
    hint : str
        Last sentence of the message.
    """
    version = f" Version {made_by} wrote it, and this is {__version__}." if made_by not in ("", __version__) else ""
    return OutputFolderError(
        f"'{folder}' should be new, empty, or of this {kind.partition(' ')[0]}. It holds another {kind}: "
        f"{differences(there, here)}.{version} {hint}"
    )


def check_empty(folder: Path, expected: str = "new or empty") -> None:
    """Raise an error if a folder holds a visible file.

    Raises
    ------
    OutputFolderError
        If the folder holds a visible file. The message lists the names of some of these files.
    """
    present = entries(folder)
    if present:
        raise OutputFolderError(f"'{folder}' should be {expected}. It holds {listing(present)}. {HINT}")


def entries(folder: Path) -> list[str]:
    """Return the sorted names of the visible files and folders in a folder. Return an empty list if there is no
    folder.
    """
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(entry.name for entry in found if not entry.name.startswith("."))
