"""Tables with several header lines: CSV and HDF5 give what pandas gives, and only the changed cells differ."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepgum.data.edits.headed_hdf5 import read_headed_hdf5
from deepgum.data.edits.headed_table import read_headed_csv
from deepgum.data.edits.pickled_names import names_in
from deepgum.errors import InvalidDataError

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
DEPTHS = {3: (LEVELS[0], *LEVELS[2:]), 4: LEVELS}
FILES = [f"img{row:02d}.png" for row in range(6)]
ROWS = {
    "one": pd.Index([f"labeled-data/v/{name}" for name in FILES]),
    "three": pd.MultiIndex.from_tuples([("labeled-data", "v", name) for name in FILES]),
    "frames": pd.RangeIndex(6),
}


def frame(rows: str, animals: bool) -> pd.DataFrame:
    """A frame as DeepLabCut makes it, with names that are not ASCII and an empty row."""
    levels = [["ada"], *([["m1", "m2"]] if animals else []), ["nose", "größe"], ["x", "y"]]
    columns = pd.MultiIndex.from_product(levels, names=DEPTHS[len(levels)])
    values = np.random.default_rng(0).uniform(0, 100, (6, len(columns)))
    values[2], values[3, :2] = np.nan, np.nan
    return pd.DataFrame(values, index=ROWS[rows], columns=columns)


def same(one: Any, other: Any) -> np.ndarray:
    one, other = np.asarray(one), np.asarray(other)
    return (one == other) | (np.isnan(one) & np.isnan(other))


@pytest.mark.parametrize("animals", [False, True])
@pytest.mark.parametrize("rows", list(ROWS))
def test_a_csv_is_read_as_pandas_wrote_it_and_only_new_cells_are_written(
    tmp_path: Path, rows: str, animals: bool
) -> None:
    written = frame(rows, animals)
    written.to_csv(tmp_path / "t.csv")
    table = read_headed_csv(tmp_path / "t.csv", LEVELS, "coords")
    assert table.levels == DEPTHS[3 + animals]
    assert table.columns == tuple(written.columns)
    assert ["/".join(cells) for cells in table.index] == [
        "/".join(each) if isinstance(each, tuple) else str(each) for each in written.index
    ]
    assert same(table.values, written).all()
    table.write({}, tmp_path / "same.csv")
    assert (tmp_path / "same.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    table.write({(0, 1): 7.5, (1, 0): np.nan, (2, 3): 1 / 3}, tmp_path / "new.csv")
    again = read_headed_csv(tmp_path / "new.csv", LEVELS, "coords")
    assert np.argwhere(~same(again.values, table.values)).tolist() == [[0, 1], [1, 0], [2, 3]]
    assert (again.values[0, 1], again.values[2, 3]) == (7.5, 1 / 3)
    assert np.isnan(again.values[1, 0])


@pytest.mark.parametrize(
    ("rows", "animals", "kind"),
    [
        ("one", False, "fixed"),
        ("three", True, "fixed"),
        ("frames", False, "table"),
        ("one", True, "table"),
        ("frames", True, "fixed"),
    ],
)
def test_hdf5_is_read_as_pandas_wrote_it_and_pandas_reads_the_new_numbers(
    tmp_path: Path, rows: str, animals: bool, kind: Any
) -> None:
    pytest.importorskip("tables")
    pytest.importorskip("h5py")
    written = frame(rows, animals)
    written.to_hdf(tmp_path / "t.h5", key="df_with_missing", format=kind)
    table = read_headed_hdf5(tmp_path / "t.h5", "a table", DEPTHS)
    assert table.levels == DEPTHS[3 + animals]
    assert table.columns == tuple(written.columns)
    assert len(table.index) == 6
    assert table.index[1] == (written.index[1] if rows == "three" else (str(written.index[1]),))
    assert same(table.values, written).all()
    table.write({(0, 1): 7.5, (1, 0): np.nan}, tmp_path / "new.h5")
    again = pd.read_hdf(tmp_path / "new.h5")
    expected = written.to_numpy(copy=True)
    expected[0, 1], expected[1, 0] = 7.5, np.nan
    assert same(again, expected).all()
    assert again.index.equals(written.index)
    assert again.columns.equals(written.columns)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("coords", "cords", "should start with header lines"),
        ("bodyparts", "scorer", "each once"),
        ("img03.png,", "img03.png,,", "line 7: a line should have 5 cells. Found 6"),
        ("img04.png,", "img04.png,1_0", "line 8, cell 2: a cell should be a number"),
        ("img04.png,", "img04.png,1e999", "line 8, cell 2"),
        ("img01.png,", 'img01.png"a"b,', "."),
    ],
)
def test_a_damaged_csv_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "t.csv"
    frame("one", False).fillna(1).to_csv(path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    if message == ".":  # quotes inside of a cell are plain characters
        read_headed_csv(path, LEVELS, "coords")
        return
    with pytest.raises(InvalidDataError, match=message):
        read_headed_csv(path, LEVELS, "coords")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_read_from_a_pickle_of_every_protocol(protocol: int) -> None:
    names = [("ada", "nose", "x"), ("ada", "größe", "x"), ("ada", "nose", "y", 3), (), ("a", "b")]
    assert names_in(pickle.dumps(names, protocol)) == names


class Call:
    """An object whose pickle calls a function when it is loaded."""

    def __reduce__(self) -> Any:
        return print, ("called",)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(ValueError, match="is not read"):
            names_in(pickle.dumps([Call()], protocol))
    for damaged in (b"", b"(lp0\n", b".", b"t.", b"g5\n.", b"\x80\x04\x86."):
        with pytest.raises(ValueError, match=r"names|pickle"):
            names_in(damaged)
    assert not capsys.readouterr().out
