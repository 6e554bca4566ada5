"""Typed errors and warnings, and the template of their messages.

A message names the parameter, the valid values, the value that was found and, if possible, the next step. Errors are
raised before any work is done, so no work is lost.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "CheckpointError",
    "ComparisonError",
    "DataNotice",
    "DecisionsFileError",
    "DeepGUMError",
    "DeepGUMWarning",
    "DiskFullError",
    "ExportError",
    "IdentifiabilityWarning",
    "InvalidDataError",
    "InvalidParameterError",
    "MissingDependencyError",
    "MissingImagesError",
    "NonFiniteLossError",
    "NotFittedError",
    "OutputExistsError",
    "OutputFolderError",
    "ProcessLostError",
    "StaleDecisionError",
    "UnknownNameError",
    "UnreadableImageError",
    "UnreadableImagesError",
    "UntrustedCodeError",
    "differences",
    "listing",
]


class DeepGUMError(Exception):
    """Base of every error that this library raises on purpose."""


class InvalidParameterError(DeepGUMError, ValueError):
    """A parameter has a value that is not valid.

    Parameters
    ----------
    parameter : str
        Name of the parameter, as the caller writes it.
    expected : str
        The valid values. In the message, this string follows "should be".
    found : object
        The value, shown by its `repr`.
    hint : str, optional
        The next step, as a whole sentence.

    Examples
    --------
    >>> str(InvalidParameterError("patience", "a whole number of at least 1", 0))
    'Parameter `patience` should be a whole number of at least 1. Found `patience = 0`.'
    """

    def __init__(self, parameter: str, expected: str, found: object, hint: str = "") -> None:
        self.parameter, self.expected, self.found, self.hint = parameter, expected, found, hint
        try:
            shown = repr(found)
        except ValueError:  # Python does not print whole numbers of thousands of digits
            shown = "a number of thousands of digits"
        message = f"Parameter `{parameter}` should be {expected}. Found `{parameter} = {shown}`."
        super().__init__(f"{message} {hint}".rstrip())

    def within(self, section: str) -> InvalidParameterError:
        """Return the same error for the parameter "SECTION.PARAMETER"; `section` is the name of a section of a file.

        Examples
        --------
        >>> InvalidParameterError("patience", "a whole number", 0.5).within("training").parameter
        'training.patience'
        """
        return InvalidParameterError(f"{section}.{self.parameter}", self.expected, self.found, self.hint)


class UnknownNameError(InvalidParameterError):
    """A name is not known; the message shows the most similar known name.

    Examples
    --------
    >>> print(UnknownNameError("noise", "l-ugoo", ["ngo", "l-ugo", "g-ugo"]))
    Parameter `noise` should be one of 'ngo', 'l-ugo', 'g-ugo'. Found `noise = 'l-ugoo'`. Did you mean 'l-ugo'?
    """

    def __init__(self, parameter: str, found: object, choices: Iterable[str]) -> None:
        known = list(choices)
        nearest = difflib.get_close_matches(str(found).lower(), known, n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else ""
        super().__init__(parameter, "one of " + ", ".join(map(repr, known)), found, hint)


class InvalidDataError(DeepGUMError, ValueError):
    """Data (arrays, lists, tables) have a wrong shape, or values that cannot be used."""


class MissingDependencyError(DeepGUMError, ImportError):
    """An optional package is needed, but is not installed.

    Parameters
    ----------
    feature : str
        The feature that needs the package, at the start of the message.
    package : str
        Name of the package.
    extra : str
        The extra of this library that installs the package.

    Examples
    --------
    >>> print(MissingDependencyError("`DeepGUMCallback`", "lightning", extra="lightning"))
    `DeepGUMCallback` needs the package `lightning`, which is not installed. Try `pip install "deepgum[lightning]"`.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        hint = f'Try `pip install "deepgum[{extra}]"`.'
        super().__init__(f"{feature} needs the package `{package}`, which is not installed. {hint}")


class MissingImagesError(InvalidDataError, FileNotFoundError):
    """Images in the list of a data set do not exist."""


class UnreadableImagesError(InvalidDataError):
    """Image files exist, but cannot be decoded; the message lists these files."""


class UnreadableImageError(UnreadableImagesError):
    """One image file exists, but cannot be decoded, or has a format that is not read.

    Parameters
    ----------
    path : path
        The image file.
    reason : str
        The reason, without a full stop. The attribute `reason` keeps it for lists of images.

    Examples
    --------
    >>> print(UnreadableImageError("faces/a.jpg", "the file is truncated"))
    The image 'faces/a.jpg' cannot be read: the file is truncated.
    """

    def __init__(self, path: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The image '{path}' cannot be read: {reason}.")


class DiskFullError(DeepGUMError, OSError):
    """A disk is too full for a file; no part of the file is left."""


class OutputFolderError(DeepGUMError, ValueError):
    """An output folder is neither new nor empty, and belongs to another run, comparison or audit."""


class OutputExistsError(DeepGUMError, FileExistsError):
    """A file or folder appeared at the place of a new output while the output was made. It is kept."""


class CheckpointError(DeepGUMError, ValueError):
    """A checkpoint is damaged, belongs to another training or version, is in use, or cannot be written."""


class ExportError(DeepGUMError, RuntimeError):
    """A network cannot be written in another format, or its predictions change in that format; no file is written."""


class UntrustedCodeError(DeepGUMError, PermissionError):
    """A folder or a file names code outside the package, and the user has not allowed its import.

    Parameters
    ----------
    source : path
        The folder or the file.
    named : mapping of str to str
        Key of the configuration -> path of the code.

    Examples
    --------
    >>> print(UntrustedCodeError("runs/theirs", {"model.name": "nets:small"}))
    'runs/theirs' names code that is not part of deepgum: nets:small (model.name). ...
    """

    def __init__(self, source: object, named: Mapping[str, str]) -> None:
        self.named = dict(named)
        paths = ", ".join(f"{path} ({key})" for key, path in named.items())
        super().__init__(
            f"'{source}' names code that is not part of deepgum: {paths}. Importing code runs the code. Read the "
            "code first. Then add `--trust`, or `trust=True` in Python."
        )


class NonFiniteLossError(DeepGUMError, ArithmeticError):
    """A loss is not finite; the training stops before it damages the weights."""


class ProcessLostError(DeepGUMError, ConnectionError):
    """Another process of a run over several processes has ended, or has not answered for too long."""


class ComparisonError(DeepGUMError):
    """Some runs of a comparison failed; the other runs are complete.

    Parameters
    ----------
    message : str
        The runs that failed, with the reasons.
    records : sequence of RunRecord
        Records of the other runs, in the order of the grid.
    """

    def __init__(self, message: str, records: Sequence[Any]) -> None:
        super().__init__(message)
        self.records = records


class DecisionsFileError(DeepGUMError, OSError):
    """The file with the decisions of a review cannot be read or written. The stored decisions do not change."""


class StaleDecisionError(DeepGUMError, RuntimeError):
    """The decision about a label has changed since the reviewer read it; the new decision is not stored.

    Parameters
    ----------
    message : str
    current : object, optional
        The current decision (an entry of the review's store); None if the label has no decision.
    """

    def __init__(self, message: str, current: Any = None) -> None:
        super().__init__(message)
        self.current = current


class NotFittedError(DeepGUMError, ValueError, AttributeError):
    """An object is not fitted, so it has no results."""


class DeepGUMWarning(UserWarning):
    """Base of every warning of this library."""


class DataNotice(DeepGUMWarning):
    """A finding about the data that the user should know before any result: the report of an audit repeats it."""


class IdentifiabilityWarning(DeepGUMWarning):
    """The mixture cannot distinguish inliers from outliers in a group, or has not converged."""


def listing(names: Sequence[object], most: int = 5) -> str:
    """Return a list for a message: the first `most` names, and the number of the remaining names.

    Examples
    --------
    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(str(name) for name in names[:most])
    rest = len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return the differences between two nested mappings of settings, `there` and `here`, for a message.

    Examples
    --------
    >>> differences({"seed": 0, "sgd": {"patience": 5}}, {"seed": 0, "sgd": {"patience": 3}, "groups": "sample"})
    "groups = None there and 'sample' here; sgd.patience = 5 there and 3 here"
    """
    theirs, ours = _flat(there), _flat(here)
    return "; ".join(
        f"{key} = {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
