"""The guard of every output file: a result never replaces an input, nor a file of the run that is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from deepgum.errors import InvalidParameterError
from deepgum.storage.disk import remove_abandoned

__all__ = ["check_file", "is_same_file"]


def check_file(
    path: Path,
    parameter: str = "out",
    suffixes: Sequence[str] = (".csv", ".parquet"),
    *,
    inputs: Iterable[Path] = (),
    product: Path | None = None,
) -> None:
    """Check that a result can be written to a file. Make the folder of the file, and remove what killed processes left.

    An existing file that is not an input is not refused: `deepgum.storage.disk.write_atomically` replaces it, or keeps
    it.

    Parameters
    ----------
    path : Path
        The file to write.
    parameter : str
        Name of the parameter that gives the path, for messages.
    suffixes : sequence of str
        Valid endings of the path in lower case; an empty sequence for any ending.
    inputs : iterable of Path
        Files that the result must not replace. They need not exist.
    product : Path, optional
        A path that may be among `inputs`, and is valid: the default place of the result.

    Raises
    ------
    InvalidParameterError
        If the path has another ending, is a folder or a device, is one of the inputs (also by another spelling, a link
        or a hard link), or lies in a folder that cannot be made or written to.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        endings = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        raise InvalidParameterError(parameter, f"a file that ends in {endings}", str(path))
    if path.exists() and not path.is_file():
        found = "It is a folder." if path.is_dir() else "It is not a regular file."
        raise InvalidParameterError(parameter, "a file", str(path), found)
    if product is None or not is_same_file(path, product):
        for file in inputs:
            if is_same_file(path, file):
                hint = f"It is the same file as '{file}', which would be lost. Give another path."
                raise InvalidParameterError(parameter, "another file than the inputs", str(path), hint)
    expected = "a file in a folder that can be written to"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameterError(parameter, expected, str(path), f"({error.strerror})") from error
    if not os.access(path.parent, os.W_OK):
        raise InvalidParameterError(parameter, expected, str(path))
    remove_abandoned(path.parent)


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, also by links and hard links.

    If neither file exists, upper case and lower case are equal, because the paths are one file on some systems.

    Examples
    --------
    >>> is_same_file(Path("."), Path("no-such-folder/..")), is_same_file(Path("."), Path(".."))
    (True, False)
    >>> is_same_file(Path("no-such-file.csv"), Path("./No-Such-File.CSV"))
    True
    """
    first, second = (os.path.realpath(path) for path in (one, other))
    there = [os.path.exists(path) for path in (first, second)]
    if all(there):
        return os.path.samefile(first, second)
    return not any(there) and first.casefold() == second.casefold()
