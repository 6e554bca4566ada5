"""The values of options: paths, and lists, periods and pairs in a text. The library checks what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deepgum.errors import InvalidParameterError

__all__ = ["FOLDER", "NAMES", "NUMBERS", "PAIRS", "PATH", "PERIODS", "UNITS", "WHOLE"]

FOLDER = click.Path(file_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)
UNITS = click.Choice(["sample", "landmark", "coordinate"])
"""Values of `--groups`: the labels that are right or wrong as one unit."""

_Read = Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]


def _list_reader(kind: Callable[[str], Any], values: str) -> _Read:
    """Return a callback that reads values separated by commas. The library checks the values."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            parts = [part.strip() for part in value.split(",")]
            if not all(parts):
                raise ValueError("nothing between two commas")
            return tuple(map(kind, parts))
        except ValueError:
            raise InvalidParameterError(str(param.name), f"{values} separated by commas", value) from None

    return read


NAMES, NUMBERS, WHOLE = _list_reader(str, "names"), _list_reader(float, "numbers"), _list_reader(int, "whole numbers")


def _periods(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read the values of an option, each in the form NAME=NUMBER."""
    periods = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            periods[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise InvalidParameterError(str(param.name).rstrip("s"), "NAME=NUMBER, for example yaw=360", value)
    return periods


def _pairs(ctx: click.Context, param: click.Parameter, value: str | None) -> str | tuple[tuple[int, int], ...]:
    """Read the value of an option in the form A:B,C:D. The library checks names such as 300w-68."""
    if value is None:
        return ()
    if any(map(str.isalpha, value)):
        return value.strip()
    try:
        pairs = [tuple(int(place) for place in pair.split(":")) for pair in value.split(",")]
        return tuple((a, b) for a, b in pairs)
    except ValueError:
        expected = "pairs of landmarks, counted from 0, for example 0:1,3:4; or auto, 300w-68, coco-17"
        raise InvalidParameterError("swap", expected, value) from None


PERIODS, PAIRS = _periods, _pairs
