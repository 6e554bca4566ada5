"""The contract of a data set: one class that locates samples and labels and defines their use.

A data set of the package is such a class in a file of this folder and one line in `deepgum.data.sets.registry`. A data
set of the user is the same class in a module of the user; see `docs/datasets.md` for an example.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from deepgum.checks import check_choice
from deepgum.data.edits.base import Annotations
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, by_parts, cut, fold_of
from deepgum.data.splits import split_sizes
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture.partition import NAMES

__all__ = ["FOLDS", "Dataset", "check_texts"]

FOLDS = 7
"""Number of folds of the paper's cross-validation (section 4.3)."""

_EXPECTED = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table of keys and values",
}


class Dataset(ABC):
    """A data set.

    A subclass gives `name` and `pool`; everything else has a default. An object has no state: every variable is an
    option, so that the file of a run contains it.

    Attributes
    ----------
    name : str
        Letters, digits, ".", "_" and "-". Tables, messages and names of folders show it.
    description : str
        One line about the data set.
    image_size : int
        Default side of the images in pixels; 0 for feature vectors.
    needs_folder : bool
        Whether the user must name a folder (or a file).
    is_file : bool
        Whether the data set is one file. A file is identified by its content, wherever it lies.
    is_sequence : bool
        Whether neighbours in the data set's order are near copies. Folds of a sequence are contiguous blocks.
    groups : {"sample", "landmark", "coordinate"}
        Labels that are right or wrong as one unit, by default.
    measure : Measure
        Unit of the errors.
    folds : int
        Number of folds of the cross-validation; 0 without one.
    options : mapping of str to value
        Settings of this data set alone, with their defaults (text, bool, int, float, list or dict).
    choices : mapping of str to sequence of str
        Values that an option may have, where they are names.
    label_options : tuple of str
        Options that locate the labels and name the samples. A patch keeps them.
    local_options : tuple of str
        Options that are paths on one machine. They do not identify a run.

    Examples
    --------
    >>> import numpy as np
    >>> class Line(Dataset):
    ...     name = "line"
    ...     image_size = 0
    ...     needs_folder = False
    ...
    ...     def pool(self, request, seed):
    ...         x = np.random.default_rng(seed).normal(size=(50, 3))
    ...         return Pool(RegressionData.from_arrays(x, x.sum(axis=1, keepdims=True)))
    >>> subset = Line().load(Request(folder=None), seed=0)
    >>> len(subset.train), len(subset.validation), len(subset.test)
    (35, 5, 10)
    """

    description: ClassVar[str] = ""
    image_size: ClassVar[int] = 64
    needs_folder: ClassVar[bool] = True
    is_file: ClassVar[bool] = False
    is_sequence: ClassVar[bool] = False
    groups: ClassVar[str] = "sample"
    measure: ClassVar[Measure] = Measure(landmarks=False)
    folds: ClassVar[int] = 0
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    choices: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    label_options: ClassVar[tuple[str, ...]] = ()
    local_options: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the data set; a subclass gives it as a class attribute."""

    @abstractmethod
    def pool(self, request: Request, seed: int) -> Pool:
        """Return all samples, in the data set's own order.

        Parameters
        ----------
        request : Request
            Folder, options, and settings for reading images. Numbers of samples matter only in generated data sets.
        seed : int
            Seed of random draws, in generated data sets.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the data set is not there or cannot be read.
        """

    def load(self, request: Request, seed: int) -> Subset:
        """Return samples for training, validation and test.

        By default the parts are those of the pool. A pool without parts is split by one of the `folds`; without folds,
        the seed draws a tenth for validation and a fifth for the test. Samples that the pool keeps together stay in one
        part.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `pool`; or if there are too few samples for the split.
        """
        pool = self.pool(request, seed)
        if pool.parts is not None:
            return cut(pool, by_parts(pool, seed), request, seed)
        if self.folds:
            return cut(pool, fold_of(pool, self.folds, request, seed), request, seed)
        validation = len(pool) // 10 if request.validation_size is None else request.validation_size
        test = len(pool) // 5 if request.test_size is None else request.test_size
        return cut(pool, split_sizes(len(pool), validation, test, seed, pool.keep_together), request, seed)

    def everything(self, request: Request, seed: int) -> tuple[RegressionData, ...]:
        """Return all samples, in one part or several, independent of the sizes and the split.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `pool`.
        """
        return (self.pool(request, seed).data,)

    def detect(self, path: Path) -> bool:
        """Return whether a folder or file holds this data set, by the files that are there; False by default."""
        return False

    def labels(self, path: Path, options: Mapping[str, Any]) -> Annotations:
        """Read the labels with their files, so that corrected labels can be written in the same format.

        Parameters
        ----------
        path : Path
            The data set's folder or file.
        options : mapping
            All options, as `check_options` returns them.

        Raises
        ------
        InvalidDataError
            If the files are malformed, or the data set has no label files (the default).
        InvalidParameterError
            If the files are not there.
        """
        raise InvalidDataError(
            f"The data set {self.name!r} has no label files that can be read and written: no label can be "
            f"corrected. Give `{type(self).__name__}` a method `labels`."
        )

    @property
    def has_label_files(self) -> bool:
        """Whether `labels` reads label files."""
        return type(self).labels is not Dataset.labels

    def has_images(self, options: Mapping[str, Any]) -> bool:
        """Return whether the inputs are images, and not feature vectors."""
        return self.image_size > 0

    def measure_of(self, options: Mapping[str, Any]) -> Measure:
        """Return the unit of the errors under these options."""
        return self.measure

    def audit_groups(self, options: Mapping[str, Any]) -> str:
        """Return the labels that an audit judges as one unit under these options, by default."""
        return self.groups

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options; missing ones have their defaults.

        Raises
        ------
        UnknownNameError
            If there is no such option.
        InvalidParameterError
            If the type of a value differs from the type of the default.
        """
        for name, value in options.items():
            check_choice("options", name, self.options)
            kind = type(self.options[name])
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise InvalidParameterError(f"options.{name}", _EXPECTED.get(kind, f"a {kind.__name__}"), value)
            if name in self.choices:
                check_choice(f"options.{name}", value, self.choices[name])
        return {**self.options, **options}

    def check(self, parameter: str) -> None:
        """Refuse a data set with a wrong attribute, before any work.

        Raises
        ------
        InvalidParameterError
            About `parameter`, with the attribute and its valid values.
        """
        wrong = {
            "name": isinstance(self.name, str) and re.fullmatch(r"\w[\w.-]*", self.name) is not None,
            "image_size": type(self.image_size) is int and self.image_size >= 0,
            "groups": self.groups in NAMES,
            "measure": isinstance(self.measure, Measure),
            "folds": type(self.folds) is int and self.folds != 1 and self.folds >= 0,
            "options": isinstance(self.options, Mapping),
        }
        for attribute, good in wrong.items():
            if not good:
                hint = (
                    f"Its `{attribute}` is {getattr(self, attribute)!r}. See `deepgum.data.Dataset` for valid values."
                )
                raise InvalidParameterError(parameter, "a complete Dataset", type(self).__name__, hint)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def check_texts(parameter: str, value: object) -> None:
    """Refuse a value that is no list of texts.

    Raises
    ------
    InvalidParameterError
        About `parameter`.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidParameterError(parameter, "a list of texts in quotes", value)
