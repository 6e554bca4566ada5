"""The atomic writer of a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deepgum.storage.disk import write_atomically

__all__ = ["write_json"]


def write_json(path: Path, values: Any, *, nan: bool = False) -> None:
    """Write JSON in UTF-8.

    Parameters
    ----------
    path : Path
    values : JSON values
    nan : bool
        Whether to write NaN as ``NaN``, which is not valid JSON. By default, NaN is an error.
    """
    with write_atomically(path) as temporary:
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=nan)
        temporary.write_text(text + "\n", encoding="utf-8")
