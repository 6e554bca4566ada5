"""The base class of all data sets. A subclass reads the samples and labels of a data set and defines their use.

To add a data set to the package, write a subclass in a file of this folder, and add it to
`deepgum.data.sets.registry`. To use a data set of your own, write a subclass in a module of your own; see
`docs/datasets.md` for an example.
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

    A subclass must define `name` and `pool`. Everything else has a default. An object has no state: all settings are
    options, so that the configuration file of a training run contains them.

    Attributes
    ----------
    name : str
        Name of the data set in tables, messages and names of folders. It consists of letters, digits, ".", "_" and "-".
    description : str
        One line about the data set.
    image_size : int
        Default side of the images in pixels; 0 for feature vectors.
    needs_folder : bool
        Whether the user must name a folder or a file.
    is_file : bool
        Whether the data set is one file. Two files with the same bytes count as the same data set, wherever they are.
    is_sequence : bool
        Whether neighbouring samples, in the order of the data set, are near copies. The folds of such a data set are
        contiguous blocks.
    groups : {"sample", "landmark", "coordinate"}
        Default groups of labels. The labels of a group are right or wrong together.
    measure : Measure
        Unit of the errors.
    folds : int
        Number of folds of the cross-validation; 0 if there is no cross-validation.
    options : mapping of str to value
        Settings that only this data set has, with their defaults (str, bool, int, float, list or dict).
    choices : mapping of str to sequence of str
        Valid texts of an option, by the name of the option. Options that are not listed may have any value. An option
        of another type, such as a list, may also be one of its texts.
    label_options : tuple of str
        Options that determine where the labels are and how the samples are named. A patch (a file of corrected labels)
        stores these options.
    local_options : tuple of str
        Options that are paths on one machine. Two training runs that differ only in these options count as the same
        run.

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
        """Name of the data set. A subclass defines it as a class attribute."""

    @abstractmethod
    def pool(self, request: Request, seed: int) -> Pool:
        """Return all samples, in the order of the data set.

        Parameters
        ----------
        request : Request
            Folder, options, and settings for reading images. The numbers of samples in the request are used only by
            generated data sets.
        seed : int
            Seed of random draws. It is used only by generated data sets.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the data set does not exist or cannot be read.
        """

    def load(self, request: Request, seed: int) -> Subset:
        """Return samples for training, validation and test.

        If the pool defines parts, these parts are used. If it does not, and `folds` is not 0, the requested fold is the
        test part. Otherwise, a tenth of the samples is drawn at random for validation, and a fifth for the test.
        Samples that the pool keeps together stay in one part.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If there are too few samples for the split. For further reasons, see `pool`.
        """
        return self.split(self.pool(request, seed), request, seed)

    def split(self, pool: Pool, request: Request, seed: int) -> Subset:
        """Divide all samples for training, validation and test; see `load`."""
        if pool.parts is not None:
            return cut(pool, by_parts(pool, seed), request, seed)
        if self.folds:
            return cut(pool, fold_of(pool, self.folds, request, seed), request, seed)
        validation = len(pool) // 10 if request.validation_size is None else request.validation_size
        test = len(pool) // 5 if request.test_size is None else request.test_size
        return cut(pool, split_sizes(len(pool), validation, test, seed, pool.keep_together), request, seed)

    def everything(self, request: Request, seed: int) -> tuple[RegressionData, ...]:
        """Return all samples, in one or several objects. They do not depend on a split or on requested sizes.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            See `pool`.
        """
        return (self.pool(request, seed).data,)

    def detect(self, path: Path) -> bool:
        """Return whether a folder or file looks like this data set. The default is False."""
        return False

    def labels(self, path: Path, options: Mapping[str, Any]) -> Annotations:
        """Read the labels and the label files, so that corrected labels can be written in the same format.

        Parameters
        ----------
        path : Path
            Folder or file of the data set.
        options : mapping
            All options, as `check_options` returns them.

        Raises
        ------
        InvalidDataError
            If the files are malformed. Also if the subclass does not define this method.
        InvalidParameterError
            If the files do not exist.
        """
        raise InvalidDataError(
            f"The data set {self.name!r} has no label files that can be read and written, so no label can be "
            f"corrected. Add a method `labels` to `{type(self).__name__}`."
        )

    def feature_cells(self, path: Path, options: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]:
        """Return the features as the files have them, to show them to people: the cells of each column, by its name.

        The rows are those of `labels`. By default there are no columns. The parameters are those of `labels`.
        """
        return {}

    @property
    def has_label_files(self) -> bool:
        """Whether the data set has label files. This is the case if the subclass defines `labels`."""
        return type(self).labels is not Dataset.labels

    def has_images(self, options: Mapping[str, Any]) -> bool:
        """Return True if the inputs are images, and False if they are feature vectors."""
        return self.image_size > 0

    def measure_of(self, options: Mapping[str, Any]) -> Measure:
        """Return the unit of the errors for these options."""
        return self.measure

    def audit_groups(self, options: Mapping[str, Any]) -> str:
        """Return the default groups of an audit for these options: "sample", "landmark" or "coordinate".

        The labels of a group are right or wrong together.
        """
        return self.groups

    def fit_groups(self, options: Mapping[str, Any]) -> str:
        """Return the default groups of a training for these options: "sample", "landmark" or "coordinate"."""
        return self.groups

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Check some options, and return all options. Options that are not in `options` have their default values.

        Raises
        ------
        UnknownNameError
            If the data set does not have one of the options.
        InvalidParameterError
            If the type of a value differs from the type of the default.
        """
        for name, value in options.items():
            check_choice("options", name, self.options)
            kind = type(self.options[name])
            named = name in self.choices and type(value) is str
            if type(value) is not kind and not (kind is float and type(value) is int) and not named:
                raise InvalidParameterError(f"options.{name}", _EXPECTED.get(kind, f"a {kind.__name__}"), value)
            if named or (name in self.choices and kind is str):
                check_choice(f"options.{name}", value, self.choices[name])
        return {**self.options, **options}

    def settled_options(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with which labels are found again, for the patches of an audit. By default all options.

        A data set whose options may have patterns of names returns the names that they mean for the data in `path`.
        """
        return dict(options)

    def check(self, parameter: str) -> None:
        """Check that the attributes of the data set have valid values.

        `parameter` is the name of the parameter that holds the data set, for the message.

        Raises
        ------
        InvalidParameterError
            If an attribute has an invalid value. The message gives the attribute and its value.
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
    """Check that a value is a list of strings. `parameter` is the name of its parameter, for the message.

    Raises
    ------
    InvalidParameterError
        If the value is not a list of strings.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidParameterError(parameter, "a list of texts in quotes", value)
