"""Plug-ins: objects of the user's that stand in the place of a name, given in Python or as "package.module:name".

A registry maps names to objects of one base class, the contract. `resolve` accepts a name of the registry, an object of
the contract, a class of it, or the path "package.module:name" of either. Modules are searched where Python searches
them, and after that in the working folder.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deepgum.errors import InvalidParameterError, UnknownNameError, UntrustedCodeError

__all__ = ["PATH", "check_trusted", "code_named", "import_path", "is_path", "reference", "resolve"]

PATH = "package.module:name"
"""The form of a path, as messages and `--help` show it."""

# Keys of configurations whose values are no names: they may hold a colon, and are never imported.
_NOT_CODE = (
    "audit.periods",
    "audit.unit",
    "data.cache_dir",
    "data.folder",
    "data.options",
    "model.weights",
    "training.device",
)

T = TypeVar("T")


def is_path(value: object) -> bool:
    """Return whether a value is the path of an object outside the package.

    Examples
    --------
    >>> is_path("my_losses:Welsch"), is_path("cauchy")
    (True, False)
    """
    return isinstance(value, str) and ":" in value


def import_path(parameter: str, path: str, expected: str = "an object that can be imported") -> Any:
    """Import an object by its path.

    Parameters
    ----------
    parameter : str
        The name of the parameter, for the message.
    path : str
        "package.module:name".
    expected : str
        What the parameter should be, for the message.

    Raises
    ------
    InvalidParameterError
        If the import fails, for whatever reason: the message has the reason.

    Examples
    --------
    >>> import_path("loss", "deepgum.losses:L2").name
    'l2'
    """
    module, _, name = path.partition(":")
    try:
        with _working_folder():
            found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    # The module is the user's: it may raise anything.
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).rstrip('.')}."
        raise InvalidParameterError(parameter, expected, path, reason) from error
    return found


def resolve(parameter: str, value: object, known: Mapping[str, T | type[T]], contract: type[T]) -> T:
    """Return the object that a value stands for.

    Parameters
    ----------
    parameter : str
        The name of the parameter, for the message.
    value : str, object or class
        A name of the registry, the path of a plug-in, an object of the contract, or a class of it, which is called
        without arguments.
    known : mapping of str to object or class
        The registry.
    contract : type
        The base class of all objects of the registry.

    Raises
    ------
    UnknownNameError
        If it is a name, and the registry does not have it.
    InvalidParameterError
        If it cannot be imported, is not of the contract, or lacks a part of it: the message names the part.

    Examples
    --------
    >>> from deepgum.losses import L1, LOSSES, Loss
    >>> resolve("loss", "l1", LOSSES, Loss), resolve("loss", L1, LOSSES, Loss)
    (L1(), L1())
    >>> resolve("loss", "deepgum.losses:L1", LOSSES, Loss)
    L1()
    """
    kind = contract.__name__
    found = value
    if is_path(value):
        found = import_path(parameter, str(value), f"a {kind} that can be imported")
    elif isinstance(value, str):
        if value not in known:
            raise UnknownNameError(parameter, value, [*known, PATH])
        found = known[value]
    if inspect.isclass(found) and issubclass(found, contract):
        found = _made(parameter, value, found, kind)
    if not isinstance(found, contract):
        own = found if inspect.isclass(found) else type(found)
        hint = f"`{own.__name__}` is not a subclass of `{contract.__module__}.{kind}`."
        raise InvalidParameterError(parameter, f"a {kind}, its name, or its path {PATH!r}", value, hint)
    missing = [name for name in _class_variables(contract) if not hasattr(found, name)]
    if missing:
        raise _incomplete(parameter, value, type(found), missing, kind)
    return found


def reference(parameter: str, value: T | type[T], known: Mapping[str, T | type[T]], contract: type[T]) -> str:
    """Return the text that stands for an object in a file: its name in the registry, or else its path.

    Parameters
    ----------
    parameter, known, contract
        See `resolve`.
    value : object or class
        An object of the contract, or a class of it.

    Raises
    ------
    InvalidParameterError
        If `resolve` does not turn the text into an equal object: the class is not at the top of a module, or the object
        has settings of its own, which the text does not say.

    Examples
    --------
    >>> from deepgum.losses import L1, LOSSES, Loss
    >>> reference("loss", L1(), LOSSES, Loss)
    'l1'
    """
    made = resolve(parameter, value, known, contract)
    for name in known:
        if resolve(parameter, name, known, contract) == made:
            return name
    kind = type(made)
    path = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in path:
        hint = f"{kind.__name__} is defined inside a function, where a file cannot name it. Move it to a module."
        raise InvalidParameterError(parameter, f"a {contract.__name__} of a module", value, hint)
    if resolve(parameter, path, known, contract) != made:
        hint = f"{path!r} makes another object: the settings of this one would be lost in a file."
        raise InvalidParameterError(parameter, f"a {contract.__name__} without settings of its own", value, hint)
    return path


def code_named(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the code outside the package that a configuration names: paths of plug-ins, by their keys.

    Every text of the form "package.module:name" counts, under any key but those that hold files, columns, units and
    devices. So the code of a key that is added later is found too.

    Parameters
    ----------
    values : mapping
        Nested, as a run folder, an audit folder or a patch has it.

    Examples
    --------
    >>> code_named({"model": {"name": "nets:small"}, "training": {"device": "cuda:1"}})
    {'model.name': 'nets:small'}
    """
    return {key: value for key, value in _leaves(values) if is_path(value)}


def _leaves(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if key in _NOT_CODE:
        return
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for place, value in enumerate(values):
            yield from _leaves(value, f"{key}[{place}]")
    else:
        yield key, values


def check_trusted(source: Path, named: Mapping[str, str], trust: bool | Collection[str]) -> None:
    """Refuse to import the code that a folder or a file names, unless the user has asked for it.

    Parameters
    ----------
    source : Path
        The folder or the file.
    named : mapping of str to str
        Paths of plug-ins, by the keys that name them: ``{"model.name": "nets:small"}``.
    trust : bool or collection of str
        Whether the user has asked for it, or the paths that the user names too.

    Raises
    ------
    UntrustedCodeError
        If there are paths that the user has not asked for.

    Examples
    --------
    >>> check_trusted(Path("runs/theirs"), {"model.name": "nets:small"}, trust=True)
    """
    asked = named.values() if trust is True else trust or ()
    unasked = {key: path for key, path in named.items() if path not in asked}
    if unasked:
        raise UntrustedCodeError(source, unasked)


def _made(parameter: str, value: object, kind: type[Any], expected: str) -> Any:
    missing = sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        raise _incomplete(parameter, value, kind, missing, expected)
    try:
        return kind()
    except Exception as error:
        hint = f"{kind.__name__}() raises {type(error).__name__}: {str(error).rstrip('.')}."
        raise InvalidParameterError(
            parameter, f"a {expected} that can be made without arguments", value, hint
        ) from error


def _class_variables(contract: type[Any]) -> list[str]:
    """Return the names of the class variables that a contract declares, with a value or without."""
    declared = {name: text for kind in contract.__mro__ for name, text in inspect.get_annotations(kind).items()}
    return [name for name, text in declared.items() if "ClassVar" in str(text)]


def _incomplete(
    parameter: str, value: object, kind: type[Any], missing: Sequence[str], expected: str
) -> InvalidParameterError:
    parts = " and ".join(f"`{name}`" for name in missing)
    return InvalidParameterError(parameter, f"a complete {expected}", value, f"{kind.__name__} lacks {parts}.")


@contextmanager
def _working_folder() -> Iterator[None]:
    """Let modules of the working folder be found, behind all others."""
    folder = str(Path.cwd())
    if folder in sys.path or "" in sys.path:
        yield
        return
    sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)
