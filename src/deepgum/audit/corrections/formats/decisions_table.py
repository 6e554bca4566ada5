"""Decisions as a table in CSV or Parquet, for spreadsheets and notebooks: one row per decision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.audit.corrections.outcomes import OUTCOMES, outcome
from deepgum.audit.labels import without_lists
from deepgum.storage.table_file import is_csv, write_table

__all__ = ["write_decisions_table"]


def write_decisions_table(reviewed: ReviewedLabels, path: Path) -> tuple[Path, ...]:
    """Write the decisions in the order of the data set, and return the path of the file.

    The columns are `id`, `group`, `decision` (in the words of `OUTCOMES`), `old` and `new` (one number per label of the
    group; `new` only where the label is replaced), `responsibility`, `error_kind`, `why` (the sentence of the audit),
    `note` (that of the reviewer), `who` and `at`. In CSV, the numbers of `old` and `new` are separated by spaces.
    """
    labels = reviewed.labels
    places, decisions = list(reviewed.decisions), list(reviewed.decisions.values())
    given = [labels.given[row, list(labels.partition[group])].tolist() for row, group in places]
    right = [float(labels.responsibilities[place]) for place in places]
    text, numbers = pa.string(), pa.list_(pa.float64())
    table = pa.table(
        {
            "id": pa.array([each.sample for each in decisions], text),
            "group": pa.array([each.group for each in decisions], text),
            "decision": pa.array([OUTCOMES[outcome(labels, *each)] for each in reviewed.decisions.items()], text),
            "old": pa.array([[None if value != value else value for value in row] for row in given], numbers),
            "new": pa.array([None if each.new is None else list(each.new) for each in decisions], numbers),
            "responsibility": pa.array(right, pa.float64(), mask=np.isnan(np.array(right, dtype=np.float64))),
            "error_kind": pa.array([labels.kinds.get(place) for place in places], text),
            "why": pa.array([labels.why.get(place) for place in places], text),
            "note": pa.array([each.reason or None for each in decisions], text),
            "who": pa.array([each.who or None for each in decisions], text),
            "at": pa.array([each.at or None for each in decisions], text),
        }
    )
    write_table(path, [without_lists(table) if is_csv(path) else table])
    return (path,)
