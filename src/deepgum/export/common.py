"""Functions that all exports use. One checks a path, the other describes the inputs of a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from deepgum._version import __version__
from deepgum.errors import InvalidParameterError
from deepgum.storage.output import check_file

__all__ = ["ONNX", "TABLES", "WEIGHTS", "check_path", "input_description"]

TABLES, WEIGHTS, ONNX = (".csv", ".parquet"), ".safetensors", ".onnx"
"""Endings of files."""


def check_path(path: Path, suffixes: Sequence[str], overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Check that a file can be written, and make the folder of the file.

    Raises
    ------
    InvalidParameterError
        If the path cannot be written to, if it is one of the `inputs`, or if it exists and `overwrite` is False. The
        parameter in the message is `to`, the name in the functions of export.
    """
    check_file(path, "to", suffixes, inputs=inputs)
    if os.path.lexists(path) and not overwrite:
        hint = "The file exists. Give another name, or overwrite=True (--overwrite)."
        raise InvalidParameterError("to", "a new file", str(path), hint)


def input_description(shape: Sequence[int]) -> dict[str, str]:
    """Return entries for the metadata of an exported file: the version of deepgum, and a description of the inputs.

    Examples
    --------
    >>> input_description((5,))["deepgum.inputs"]
    'float32 of shape (batch, 5), features unchanged from the training data'
    """
    if len(shape) == 3:
        colours = {1: "grey", 3: "red, green, blue"}.get(shape[0], f"{shape[0]} channels")
        kind = f"images of {shape[2]} x {shape[1]} pixels ({colours}) with values in [0, 1]: bytes divided by 255"
    else:
        kind = "features unchanged from the training data"
    sides = ", ".join(map(str, shape))
    return {"deepgum.version": __version__, "deepgum.inputs": f"float32 of shape (batch, {sides}), {kind}"}
