"""Plug-ins: objects of the user in place of built-in objects, given in Python or as a path "package.module:name".

A registry maps names to objects of one base class, the contract. `resolve` accepts a name of the registry, an object or
a subclass of the contract, or the path "package.module:name" of an object or a subclass. Python's module folders are
searched first, then the working folder.
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
"""The form of a path, for messages and `--help`."""

# Keys of configurations whose values may contain a colon but are not paths of code; they are never imported.
_NOT_CODE = (
    "audit.periods",
    "audit.unit",
    "data.cache_dir",
    "data.folder",
    "data.options",
    "model.weights",
    "training.device",
)

PACKAGES = ("torchvision:", "timm:")
"""Beginnings of names of networks in other packages. They are no paths: they can name nothing but such a network."""

T = TypeVar("T")


def is_path(value: object) -> bool:
    """Return whether a value is the path of an object outside the package.

    Examples
    --------
    >>> is_path("my_losses:Welsch"), is_path("cauchy"), is_path("timm:resnet18")
    (True, False, False)
    """
    return isinstance(value, str) and ":" in value and not value.startswith(PACKAGES)


def import_path(parameter: str, path: str, expected: str = "an object that can be imported") -> Any:
    """Import an object by its path.

    Parameters
    ----------
    parameter : str
        The name of the parameter, for the message.
    path : str
        The path "package.module:name".
    expected : str
        The valid values of the parameter, for the message.

    Raises
    ------
    InvalidParameterError
        If the import fails for any reason. The message has the reason.

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
    # The user's module may raise any error.
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
        A name of the registry, the path of a plug-in, an object of the contract, or a subclass of the contract, which
        is called without arguments.
    known : mapping of str to object or class
        The registry.
    contract : type
        The base class of all objects of the registry.

    Raises
    ------
    UnknownNameError
        If a name is not in the registry.
    InvalidParameterError
        If the object cannot be imported, is not an object of the contract, or lacks a part of the contract. The message
        names the part.

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
        found = _instance(parameter, value, found, kind)
    if not isinstance(found, contract):
        own = found if inspect.isclass(found) else type(found)
        hint = f"`{own.__name__}` is not a subclass of `{contract.__module__}.{kind}`."
        raise InvalidParameterError(parameter, f"a {kind}, its name, or its path {PATH!r}", value, hint)
    missing = [name for name in _class_variables(contract) if not hasattr(found, name)]
    if missing:
        raise _incomplete(parameter, value, type(found), missing, kind)
    return found


def reference(parameter: str, value: T | type[T], known: Mapping[str, T | type[T]], contract: type[T]) -> str:
    """Return the string that stands for an object in a file: its name in the registry, or otherwise its path.

    Parameters
    ----------
    parameter, known, contract
        See `resolve`.
    value : object or class
        An object or a subclass of the contract.

    Raises
    ------
    InvalidParameterError
        If `resolve` cannot make an equal object from the string, because the class is not at the top level of a module,
        or the object has settings that are not in the string.

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
        hint = f"{kind.__name__} is defined inside a function, so a file cannot name it. Move it to a module."
        raise InvalidParameterError(parameter, f"a {contract.__name__} of a module", value, hint)
    if resolve(parameter, path, known, contract) != made:
        hint = f"{path!r} makes another object. The settings of this object would be lost in a file."
        raise InvalidParameterError(parameter, f"a {contract.__name__} without changed settings", value, hint)
    return path


def code_named(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the plug-ins (code outside the package) that a configuration names: a dict of key to path.

    Every string of the form "package.module:name" counts as a path, except under keys of files, columns, units and
    devices. So code under a new key is also found.

    Parameters
    ----------
    values : mapping
        Nested mapping of a run folder, an audit folder or a patch.

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
    """Raise an error if a folder or a file names code whose import the user has not allowed.

    Parameters
    ----------
    source : Path
        The folder or the file.
    named : mapping of str to str
        Key -> path of the plug-in, for example ``{"model.name": "nets:small"}``.
    trust : bool or collection of str
        Whether the user allows all imports, or the allowed paths.

    Raises
    ------
    UntrustedCodeError
        If there are paths that the user has not allowed.

    Examples
    --------
    >>> check_trusted(Path("runs/theirs"), {"model.name": "nets:small"}, trust=True)
    """
    allowed = named.values() if trust is True else trust or ()
    refused = {key: path for key, path in named.items() if path not in allowed}
    if refused:
        raise UntrustedCodeError(source, refused)


def _instance(parameter: str, value: object, kind: type[Any], expected: str) -> Any:
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
    """Return the names of the class variables that a contract declares, with or without a value."""
    declared = {name: text for kind in contract.__mro__ for name, text in inspect.get_annotations(kind).items()}
    return [name for name, text in declared.items() if "ClassVar" in str(text)]


def _incomplete(
    parameter: str, value: object, kind: type[Any], missing: Sequence[str], expected: str
) -> InvalidParameterError:
    parts = " and ".join(f"`{name}`" for name in missing)
    return InvalidParameterError(parameter, f"a complete {expected}", value, f"{kind.__name__} lacks {parts}.")


@contextmanager
def _working_folder() -> Iterator[None]:
    """In a `with` block, let Python also search modules in the working folder, after all other folders."""
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
