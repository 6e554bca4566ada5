"""Names in a pickle, read without running the pickle.

pandas stores the names of columns in some HDF5 files as a pickle. A pickle from somebody else can run code when it is
loaded, so this file reads only the instructions that build strings, numbers, tuples and lists, and refuses all others.
"""

from __future__ import annotations

import pickletools
from typing import Any

__all__ = ["names_in"]

_IGNORED = {"PROTO", "FRAME"}
_VALUES = {
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "INT",
    "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
}  # fmt: skip
_MARK = object()


def names_in(pickle: bytes) -> Any:
    r"""Return the strings, numbers, tuples and lists in a pickle.

    Raises
    ------
    ValueError
        If the pickle is damaged, or has an instruction that is not needed for such values.

    Examples
    --------
    >>> names_in(b"(lp0\n(Vme\np1\nVnose\np2\ntp3\na(g1\nVtail\np4\ntp5\na.")
    [('me', 'nose'), ('me', 'tail')]
    >>> names_in(b"cos\nsystem\n(S'ls'\ntR.")
    Traceback (most recent call last):
        ...
    ValueError: its names are stored with the instruction GLOBAL, which is not read
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for instruction, argument, _ in pickletools.genops(pickle):
            name = instruction.name
            if name == "STOP":
                return stack.pop()
            if name in _VALUES:
                stack.append(argument)
            elif name not in _IGNORED:
                _step(name, argument, stack, memo)
    except (IndexError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"its stored names are damaged ({type(error).__name__})") from error
    raise ValueError("its stored names have no end")


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Carry out one instruction that builds a tuple or a list, or that keeps or repeats a value."""
    match name:
        case "MARK":
            stack.append(_MARK)
        case "TUPLE":
            stack.append(tuple(_marked(stack)))
        case "LIST":
            stack.append(_marked(stack))
        case "EMPTY_TUPLE":
            stack.append(())
        case "EMPTY_LIST":
            stack.append([])
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            count = int(name[-1])
            if len(stack) < count:
                raise IndexError
            values = tuple(stack[-count:])
            del stack[-count:]
            stack.append(values)
        case "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        case "APPENDS":
            more = _marked(stack)
            stack[-1].extend(more)
        case "PUT" | "BINPUT" | "LONG_BINPUT":
            memo[argument] = stack[-1]
        case "MEMOIZE":
            memo[len(memo)] = stack[-1]
        case "GET" | "BINGET" | "LONG_BINGET":
            stack.append(memo[argument])
        case _:
            raise ValueError(f"its names are stored with the instruction {name}, which is not read")


def _marked(stack: list[Any]) -> list[Any]:
    """Remove the values above the last mark, and the mark, from the stack, and return the values."""
    values = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]
