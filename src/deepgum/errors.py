"""Typed errors and warnings, and the one template that their messages follow.

Every message names the parameter, says what was expected and what was found, and where there is one, the remedy. They
are raised before any work is done, so that nothing is lost.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "CheckpointError",
    "ComparisonError",
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
    "OutputFolderError",
    "ProcessLostError",
    "StaleDecisionError",
    "UnknownNameError",
    "UnreadableImagesError",
    "UntrustedCodeError",
    "differences",
    "listing",
]


class DeepGUMError(Exception):
    """Base of every error that this library raises on purpose."""


class InvalidParameterError(DeepGUMError, ValueError):
    """A parameter does not have a value that can be worked with.

    Parameters
    ----------
    parameter : str
        The parameter's name as the caller wrote it.
    expected : str
        What it should be, to stand after "should be".
    found : object
        What it was; a string is shown quoted, anything else by its `repr`.
    hint : str, optional
        What to do next, a whole sentence.

    Examples
    --------
    >>> str(InvalidParameterError("patience", "a whole number of at least 1", 0))
    'Parameter `patience` should be a whole number of at least 1. Found `patience = 0`.'
    """

    def __init__(self, parameter: str, expected: str, found: object, hint: str = "") -> None:
        self.parameter, self.expected, self.found, self.hint = parameter, expected, found, hint
        message = f"Parameter `{parameter}` should be {expected}. Found `{parameter} = {found!r}`."
        super().__init__(f"{message} {hint}".rstrip())

    def within(self, section: str) -> InvalidParameterError:
        """Return the same error of a parameter that stands in a section of a file.

        Examples
        --------
        >>> InvalidParameterError("patience", "a whole number", 0.5).within("training").parameter
        'training.patience'
        """
        return InvalidParameterError(f"{section}.{self.parameter}", self.expected, self.found, self.hint)


class UnknownNameError(InvalidParameterError):
    """A name is not among the known ones; the message shows the nearest.

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
    """Data (arrays, lists, tables) of a wrong shape, or with values that cannot be used."""


class MissingDependencyError(DeepGUMError, ImportError):
    """An optional package is needed, and is not installed.

    Parameters
    ----------
    feature : str
        What needs it, to begin the message with.
    package : str
        The package that is missing.
    extra : str
        The extra of this library that brings it.

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
    """Images that a data set's list names are not in its folder."""


class UnreadableImagesError(InvalidDataError):
    """Image files that are there and cannot be decoded; all of them are named."""


class DiskFullError(DeepGUMError, OSError):
    """A disk cannot hold what is to be written to it; nothing half-written is left."""


class OutputFolderError(DeepGUMError, ValueError):
    """An output folder already holds the results of another configuration."""


class CheckpointError(DeepGUMError, ValueError):
    """A checkpoint is damaged, of another training, in use, or cannot be written."""


class ExportError(DeepGUMError, RuntimeError):
    """A network cannot be written in another format, or does not do there what it does here; nothing was written."""


class UntrustedCodeError(DeepGUMError, PermissionError):
    """A folder or a file names code outside the package, and the user has not asked for its import.

    Parameters
    ----------
    source : path
        The folder or the file.
    named : mapping of str to str
        Paths of what would be imported, by the keys that name them.

    Examples
    --------
    >>> print(UntrustedCodeError("runs/theirs", {"model.name": "nets:small"}))
    'runs/theirs' names code that is not part of deepgum: nets:small (model.name). ...
    """

    def __init__(self, source: object, named: Mapping[str, str]) -> None:
        self.named = dict(named)
        paths = ", ".join(f"{path} ({key})" for key, path in named.items())
        super().__init__(
            f"'{source}' names code that is not part of deepgum: {paths}. Importing it runs it. Read it first; "
            "then add `--trust`, or `trust=True` in Python."
        )


class NonFiniteLossError(DeepGUMError, ArithmeticError):
    """Training met a loss that is not finite and stopped before the weights were spoiled."""


class ProcessLostError(DeepGUMError, ConnectionError):
    """Another process of a run over several is gone, or was not heard of for too long."""


class ComparisonError(DeepGUMError):
    """Some runs of a comparison failed; the others are done.

    Parameters
    ----------
    message : str
        With every run that failed, and why.
    records : sequence of RunRecord
        Of the runs that are done, in the grid's order.
    """

    def __init__(self, message: str, records: Sequence[Any]) -> None:
        super().__init__(message)
        self.records = records


class DecisionsFileError(DeepGUMError, OSError):
    """The file of a review's decisions cannot be read, or a decision cannot be written to it; what is in it stays."""


class StaleDecisionError(DeepGUMError, RuntimeError):
    """A decision was made in view of another one than holds now; it was not stored.

    Parameters
    ----------
    message : str
    current : object, optional
        What holds at that place now (an entry of the review's store); None where nothing does.
    """

    def __init__(self, message: str, current: Any = None) -> None:
        super().__init__(message)
        self.current = current


class NotFittedError(DeepGUMError, ValueError, AttributeError):
    """A result was asked of an object that has not been fitted."""


class DeepGUMWarning(UserWarning):
    """Base of every warning that this library gives."""


class IdentifiabilityWarning(DeepGUMWarning):
    """The mixture could not tell inliers from outliers in some group, or stopped before it was done."""


def listing(names: Sequence[object], most: int = 5) -> str:
    """Return the first names and how many more there are, for a message.

    Examples
    --------
    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(str(name) for name in names[:most])
    rest = len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return in what two nested mappings of settings differ, for a message.

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
