"""An audit folder with values of a wrong type is refused by every command, with the name of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deepgum.audit.folder import AuditFolder
from deepgum.cli import main


def refusal(folder: AuditFolder, tmp_path: Path) -> str:
    """Return the message of the commands that read an audit; it is the same for all."""
    commands = [["report", folder.path], ["review", folder.path, "--export", f"coco={tmp_path / 'coco.json'}"]]
    results = [CliRunner().invoke(main, [str(part) for part in command]) for command in commands]
    for result in results:
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 2, result.output
    first, second = (result.stderr.strip().splitlines()[-1] for result in results)
    assert first == second
    return str(first)


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("samples",), "many", "samples"),
        (("share",), 0.5, "share"),
        (("data",), None, "data"),
        (("data", "name"), 3, "data.name"),
        (("data", "options"), [], "data.options"),
        (("data", "root"), "a\0b", "data.root"),
        (("data", "swap_pairs"), [[0]], "data.swap_pairs[0]"),
        (("groups", 0, "covariance"), [[1.0, 2.0], [3.0]], "groups[0].covariance"),
        (("groups", 0, "covariance"), [[-1.0, 0.0], [0.0, 1.0]], "groups[0].covariance"),
        (("groups", 0, "prior"), "1e999", "groups[0].prior"),
        (("history",), [{"round": 1}], "history[0].fits"),
        (("conflicts",), [["a", 3]], "conflicts[0][1]"),
        (("unreadable",), {"a": 3}, "unreadable.a"),
    ],
)
def test_a_summary_with_a_wrong_type_is_refused(
    audited: AuditFolder, tmp_path: Path, path: tuple[Any, ...], value: Any, named: str
) -> None:
    values = json.loads(audited.summary_file.read_text())
    at = values
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    audited.summary_file.write_text(json.dumps(values))
    message = refusal(audited, tmp_path)
    assert f"'{audited.summary_file}' should be the summary of an audit" in message
    assert f"Parameter `{named}` should be" in message


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("id", pa.array([0.5] * 80)),
        ("id", pa.nulls(80)),
        ("why", pa.array([float("nan")] * 80)),
        ("error_kind", pa.array([["shifted"]] * 80)),
        ("given", pa.array([1.0] * 80)),
        ("given", pa.array([[1.0]] * 80)),
        ("given", pa.array([[1.0, 2.0, 3.0]] * 80)),
        ("responsibility", pa.array(["x"] * 80)),
        ("spread", None),
    ],
    ids=["numbers", "nulls", "reasons", "lists", "scalars", "narrow", "wide", "text", "missing"],
)
def test_scores_with_a_wrong_type_are_refused(
    audited: AuditFolder, tmp_path: Path, column: str, values: pa.Array | None
) -> None:
    table = pq.read_table(audited.scores_file)
    place = table.column_names.index(column)
    table = table.remove_column(place) if values is None else table.set_column(place, column, values)
    pq.write_table(table, audited.scores_file)
    assert f"'{audited.scores_file}' should be a file of scores" in refusal(audited, tmp_path)


@pytest.mark.fault(17)
@pytest.mark.parametrize("key", ["targets", "groups", "periods"])
@pytest.mark.parametrize(
    "value", [3, {}, ["a"], [[5]], {"a": [99], "b": [0]}, {"a": "x", "b": [0]}, {"a": [-1], "b": [1]}]
)
def test_scores_with_wrong_metadata_are_refused(audited: AuditFolder, tmp_path: Path, key: str, value: Any) -> None:
    table = pq.read_table(audited.scores_file)
    about = json.loads(table.schema.metadata[b"deepgum"])
    about[key] = value
    pq.write_table(table.replace_schema_metadata({"deepgum": json.dumps(about)}), audited.scores_file)
    refusal(audited, tmp_path)


@pytest.mark.fault(17)
@pytest.mark.parametrize("change", ["order", "rows", "first", "none", "names", "sides", "folder"])
def test_pictures_of_other_samples_or_types_are_refused(audited: AuditFolder, tmp_path: Path, change: str) -> None:
    table = pq.read_table(audited.pictures_file)
    metadata = table.schema.metadata
    n = len(table)
    match change:
        case "order":
            table = table.take(pa.array(range(n - 1, -1, -1)))
        case "rows":
            table = table.slice(0, n - 1)
        case "first" | "none":
            table = table.slice(0, 1 if change == "first" else 0)
        case "names":
            table = table.set_column(1, "image", pa.array(range(n)))
        case "sides":
            table = table.set_column(table.column_names.index("side"), "side", pa.array(["wide"] * n))
        case "folder":
            metadata = {"folder": "a\0b"}
    pq.write_table(table.replace_schema_metadata(metadata), audited.pictures_file)
    assert f"'{audited.pictures_file}' should be the pictures of an audit" in refusal(audited, tmp_path)
