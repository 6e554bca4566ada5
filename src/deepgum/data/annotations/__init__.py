"""Labels as the files of a data set have them: read in the file's own unit, and written in its own format.

A module a format. What a person decides about labels is applied to these, and not to the crops that a network is
trained on: in them labels are rounded, in another unit, and without all else that a file says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum.checks import check_choice
from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.cacd import read_cacd
from deepgum.data.annotations.fld import read_fld
from deepgum.data.annotations.head_pose import read_head_pose
from deepgum.data.annotations.lfw_net import read_lfw_net
from deepgum.data.annotations.mcgill import read_mcgill
from deepgum.data.annotations.named_ages import read_utkface
from deepgum.data.annotations.table import read_table
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["OPTIONS", "Annotations", "Changes", "read_annotations"]

_READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Annotations]] = MappingProxyType(
    {
        "lfw-net": read_lfw_net,
        "fld": read_fld,
        "cacd": read_cacd,
        "utkface": read_utkface,
        "mcgill": read_mcgill,
        "head-pose": read_head_pose,
        "table": read_table,
    }
)

OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lfw-net": (),
        "fld": ("clothes",),
        "cacd": (),
        "utkface": (),
        "mcgill": ("table",),
        "head-pose": ("parts", "extra"),
        "table": ("targets", "image", "id"),
    }
)
"""The options of each data set that say where its labels are and what its samples are called."""

_LISTS = ("targets", "parts")


def read_annotations(dataset: str, path: Path, options: Mapping[str, Any]) -> Annotations:
    r"""Read the labels of a data set from its files.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.experiments.datasets.DATASETS`.
    path : Path
        Its folder; for a table the file.
    options : mapping
        As a run has them; only those in `OPTIONS` matter.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    InvalidParameterError, InvalidDataError
        If the files are not there or malformed, or there are none to correct.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "ages.csv").write_text('file;age;note\na.jpg;31.0;"a; b"\nb.jpg;58.0;\n')
    >>> labels = read_annotations("table", folder / "ages.csv", {"targets": ["age"], "image": "file"})
    >>> labels.ids, labels.values.tolist()
    (('a.jpg', 'b.jpg'), [[31.0], [58.0]])
    >>> labels.write({"a.jpg": np.array([13.0]), "b.jpg": np.array([np.nan])}, folder / "new.csv")
    ()
    >>> (folder / "new.csv").read_text()
    'file;age;note\na.jpg;13.0;"a; b"\nb.jpg;;\n'
    """
    if dataset == "digits":
        raise InvalidDataError(
            "The data set 'digits' is made and not read from files: there is no label to correct, and nothing to write."
        )
    reader = _READERS[check_choice("dataset", dataset, _READERS)]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() & set(OPTIONS[dataset]):
        _check_option(name, given[name])
    return reader(path, given)


def _check_option(name: str, value: object) -> None:
    """Refuse what a patch that was written by hand may have in place of a name, or of several."""
    if name in _LISTS:
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise InvalidParameterError(f"options.{name}", "a list of names", value)
    elif not isinstance(value, str):
        raise InvalidParameterError(f"options.{name}", "a name", value)
