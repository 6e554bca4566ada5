"""The registry of data sets. A data set is found by its name, by the path of a plug-in, or by the files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from deepgum.data.sets.base import Dataset
from deepgum.data.sets.cacd import Cacd
from deepgum.data.sets.coco import Coco
from deepgum.data.sets.deeplabcut import DeepLabCut
from deepgum.data.sets.digits import Digits
from deepgum.data.sets.fld import Fld
from deepgum.data.sets.head_pose import HeadPose
from deepgum.data.sets.label_studio import LabelStudio
from deepgum.data.sets.lfw_net import LfwNet
from deepgum.data.sets.mcgill import McGill
from deepgum.data.sets.pts import PtsFolder
from deepgum.data.sets.sleap import Sleap
from deepgum.data.sets.table import TableFile
from deepgum.data.sets.ultralytics import Ultralytics
from deepgum.data.sets.utkface import UtkFace
from deepgum.errors import InvalidParameterError
from deepgum.plugins import is_path, reference, resolve

__all__ = ["DATASETS", "detect", "get_dataset", "name_of"]

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
        "coco": Coco(),
        "deeplabcut": DeepLabCut(),
        "sleap": Sleap(),
        "label-studio": LabelStudio(),
        "ultralytics": Ultralytics(),
        "pts": PtsFolder(),
    }
)
"""The data sets of the package, by name."""

_OTHER_NAMES = {"csv": "table"}
_OTHER_FILES = "table"


def get_dataset(dataset: str | Dataset | type[Dataset], parameter: str = "dataset") -> Dataset:
    """Return a data set, given its name, the path of its plug-in, an object or a class.

    Parameters
    ----------
    dataset : str, Dataset or class
        A key of `DATASETS` ("csv" is another name of "table"), the path "package.module:name" of a plug-in, an object
        of a subclass of `Dataset`, or such a subclass.
    parameter : str
        Name of the parameter that has the value `dataset`, for the message.

    Raises
    ------
    UnknownNameError
        If the registry does not have the name.
    InvalidParameterError
        If a plug-in cannot be imported, or if the data set lacks a method or has an invalid attribute. The message
        names the method or attribute.

    Examples
    --------
    >>> get_dataset("csv"), get_dataset(Digits)
    (TableFile(), Digits())
    """
    named = _OTHER_NAMES.get(dataset, dataset) if isinstance(dataset, str) else dataset
    found = resolve(parameter, named, DATASETS, Dataset)  # type: ignore[type-abstract]
    found.check(parameter)
    return found


def name_of(dataset: str | Dataset | type[Dataset], parameter: str = "dataset") -> str:
    """Return the string that stands for a data set in a configuration file: the name, or the path of the plug-in.

    Parameters
    ----------
    dataset, parameter
        See `get_dataset`.

    Raises
    ------
    UnknownNameError, InvalidParameterError
        If there is no path from which the class of the object can be imported. For further reasons, see `get_dataset`.

    Examples
    --------
    >>> name_of("csv"), name_of(Digits()), name_of("my_sets:Faces")
    ('table', 'digits', 'my_sets:Faces')
    """
    if isinstance(dataset, str) and is_path(dataset):
        return dataset
    found = get_dataset(dataset, parameter)
    return reference(parameter, found, DATASETS, Dataset)  # type: ignore[type-abstract]


def detect(path: Path) -> Dataset:
    """Return the data set of the registry that a folder or file holds. The data set is recognised by its files.

    Raises
    ------
    InvalidParameterError
        If the folder or file holds no data set of the registry, or has the files of several data sets.
    """
    found = [name for name, dataset in DATASETS.items() if dataset.detect(path)]
    if len(found) > 1:  # every other file may be a table
        found = [name for name in found if name != _OTHER_FILES]
    if len(found) == 1:
        return DATASETS[found[0]]
    known = sorted(name for name, dataset in DATASETS.items() if dataset.needs_folder)
    several = "It has the files of several data sets. " if found else ""
    hint = f"{several}Name the data set, on the command line by --dataset: {', '.join(found or known)}."
    raise InvalidParameterError("data", "a table, or the folder of a known data set", str(path), hint)
