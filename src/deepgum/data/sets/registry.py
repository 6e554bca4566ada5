"""The registry of data sets: by name, by path, by what a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from deepgum.data.sets.base import Dataset
from deepgum.data.sets.cacd import Cacd
from deepgum.data.sets.digits import Digits
from deepgum.data.sets.fld import Fld
from deepgum.data.sets.head_pose import HeadPose
from deepgum.data.sets.lfw_net import LfwNet
from deepgum.data.sets.mcgill import McGill
from deepgum.data.sets.table import TableFile
from deepgum.data.sets.utkface import UtkFace
from deepgum.errors import InvalidParameterError
from deepgum.plugins import resolve

__all__ = ["DATASETS", "detect", "get_dataset"]

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "lfw-net": LfwNet(),
        "digits": Digits(),
        "fld": Fld(),
        "cacd": Cacd(),
        "utkface": UtkFace(),
        "mcgill": McGill(),
        "head-pose": HeadPose(),
        "table": TableFile(),
    }
)
"""The data sets of the package, by name."""

_OTHER_NAMES = {"csv": "table"}


def get_dataset(dataset: str | Dataset | type[Dataset], parameter: str = "dataset") -> Dataset:
    """Return the data set that a name, a path or an object stands for.

    Parameters
    ----------
    dataset : str, Dataset or class
        A key of `DATASETS` ("csv" is another word for "table"), the path "package.module:name" of a plug-in, an object
        or its class.
    parameter : str
        Name of the parameter, for the message.

    Raises
    ------
    UnknownNameError
        If the registry does not have the name.
    InvalidParameterError
        If a plug-in cannot be imported or lacks a part; the message names the part.

    Examples
    --------
    >>> get_dataset("csv"), get_dataset(Digits)
    (TableFile(), Digits())
    """
    named = _OTHER_NAMES.get(dataset, dataset) if isinstance(dataset, str) else dataset
    found = resolve(parameter, named, DATASETS, Dataset)  # type: ignore[type-abstract]
    found.check(parameter)
    return found


def detect(path: Path) -> Dataset:
    """Return the data set that a folder or file holds, by the files that are there.

    Raises
    ------
    InvalidParameterError
        If it holds none of the registry, or the files of several.
    """
    found = [name for name, dataset in DATASETS.items() if dataset.detect(path)]
    if len(found) == 1:
        return DATASETS[found[0]]
    known = ", ".join(found or sorted(name for name, dataset in DATASETS.items() if dataset.needs_folder))
    hint = f"It has the files of several. Name one: {known}." if found else f"Name it: {known}."
    raise InvalidParameterError(
        "data", "a table, or the folder of a known data set", str(path), f"{hint} On the command line: --dataset NAME."
    )
