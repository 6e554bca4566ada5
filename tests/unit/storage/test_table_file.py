"""Tables are written unchanged, and a CSV file with cells that a spreadsheet may run comes with a warning."""

import csv
import os
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from deepgum.errors import DeepGUMWarning
from deepgum.storage.table_file import formulas, write_table

RISKY = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "-1+1", "-"]
HARMLESS = ["a=1", "-1", "+1.5e3", "-1 2 nan", "-.5", "nan", "", None, "1-2", "写真"]


@pytest.mark.fault(20)
@pytest.mark.parametrize("cell", RISKY)
def test_a_cell_like_a_formula_is_named_and_written_unchanged(tmp_path, cell):
    path = tmp_path / "scores.csv"
    parts = [pa.table({"id": ["a", "b"], "x": [-1.0, 2.0]}), pa.table({"id": [cell], "x": [3.0]})]
    with pytest.warns(DeepGUMWarning, match=r"scores\.csv' has 1 cells.*row 3, column 'id'.*written unchanged"):
        write_table(path, parts)
    with open(path, newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a", "b", cell]


def test_numbers_and_other_texts_are_no_formulas(tmp_path):
    table = pa.table({"id": pa.array(HARMLESS), "x": [-1.0] * len(HARMLESS)})
    assert formulas(table) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_table(tmp_path / "t.csv", [table])
        write_table(tmp_path / "t.parquet", [pa.table({"id": RISKY})])
    assert pq.read_table(tmp_path / "t.parquet")["id"].to_pylist() == RISKY


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems refuse names that are not UTF-8.")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["~/t", os.fsdecode(b"\xff"), "a\nb"])
def test_a_table_is_written_at_any_path(tmp_path, monkeypatch, name, ending):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = Path(f"{name}.{ending}")
    write_table(path, [pa.table({"id": ["a"]})])
    with open(path, "rb") as file:
        table = pa.csv.read_csv(file) if ending == "csv" else pq.read_table(file)
    assert table["id"].to_pylist() == ["a"]
    assert not (tmp_path / "home").exists()
