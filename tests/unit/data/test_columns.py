from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepgum.data.columns import Columns, column_batches, read_columns
from deepgum.errors import InvalidDataError

TEXT = (
    '\ufeffname;"age, in years";note\n\n"a\nb";31;\n;;\nc; 4e1 ;"x;y"\nd;;z\ne;-2.5;z\n'  # blank rows and quoted breaks
)


@pytest.fixture(params=["csv", "parquet"])
def path(request, tmp_path):
    path = tmp_path / f"ages.{request.param}"
    if request.param == "csv":
        path.write_text(TEXT, encoding="utf-8")
    else:
        ages = pa.array([31, 40, None, -2.5])
        pq.write_table(pa.table({"name": ["a\nb", "c", "d", "e"], "age, in years": ages}), path, row_group_size=3)
    return path


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_parts_joined_are_the_whole(path, rows):
    names = ["age, in years", "name"]
    whole, parts = read_columns(path, names), list(column_batches(path, names, rows))
    assert [len(part) for part in parts][:-1] == [rows] * (len(parts) - 1)
    assert tuple(chain.from_iterable(part.places for part in parts)) == whole.places
    for name in names:
        assert list(chain.from_iterable(part.cells[name] for part in parts)) == whole.cells[name]
    ages = [part.numbers("age, in years", missing=True) for part in parts]
    np.testing.assert_array_equal(np.concatenate(ages), [31, 40, np.nan, -2.5])


def test_a_part_knows_where_its_rows_stand(path):
    places = [part.places for part in column_batches(path, ["name"], 2)]
    expected = [("line 3", "line 6"), ("line 7", "line 8")]
    assert places == (expected if path.suffix == ".csv" else [("row 1", "row 2"), ("row 3", "row 4")])


def test_a_fault_is_found_when_its_row_is_reached(tmp_path):
    path = tmp_path / "ages.csv"
    path.write_bytes(b"name,age\n" + b"a,1\n" * 100_000 + b"\xe4,1\n")
    parts = column_batches(path, ["age"], 10)
    assert len(next(parts)) == 10
    with pytest.raises(InvalidDataError, match="UTF-8"):
        list(parts)
    path.write_text("name,age\na,1\nb,2,3\n")
    parts = column_batches(path, ["age"], 1)
    next(parts)
    with pytest.raises(InvalidDataError, match="line 3: a row should have 2 cells"):
        next(parts)


def test_a_table_without_rows_is_refused_in_parts_too(tmp_path):
    (tmp_path / "ages.csv").write_text("age\n\n")
    pq.write_table(pa.table({"age": pa.array([], pa.float64())}), tmp_path / "ages.parquet")
    for name in ("ages.csv", "ages.parquet"):
        with pytest.raises(InvalidDataError, match="at least one row"):
            list(column_batches(tmp_path / name, ["age"], 10))


@pytest.mark.parametrize("cell", ["1_000", "one", "inf", "1e39", True, 10**400, "0x10"])
@pytest.mark.parametrize("others", [["1", "2"], [1.0, 2]])
def test_one_cell_that_is_no_number_is_found_among_others(cell, others, tmp_path):
    columns = Columns(tmp_path / "t.csv", {"age": [*others, cell]}, ("line 2", "line 3", "line 4"))
    with pytest.raises(InvalidDataError, match="line 4, column 'age'"):
        columns.numbers("age", missing=True)


@pytest.mark.parametrize("cells", [["1", " 2 ", "nan"], [1.0, 2, None], ["1", "2", ""], [1, 2.0, float("nan")]])
def test_numbers_are_the_same_whatever_way_they_are_read(cells, tmp_path):
    columns = Columns(tmp_path / "t.csv", {"age": cells}, ("line 2", "line 3", "line 4"))
    np.testing.assert_array_equal(columns.numbers("age", missing=True), [1, 2, np.nan])
    with pytest.raises(InvalidDataError, match="line 4"):
        columns.numbers("age", missing=False)


def not_utf8():
    """The three texts "a", a byte that is not UTF-8, and "c"."""
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32).tobytes())
    return pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffc")])


@pytest.mark.fault(18)
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_text_that_is_not_utf8_is_named(tmp_path, rows):
    pq.write_table(pa.table({"file": not_utf8(), "age": [1, 2, 3]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidDataError, match=r"t\.parquet', row 2, column 'file': .* UTF-8\. Found b'\\xff'"):
        list(column_batches(tmp_path / "t.parquet", ["age", "file"], rows))
    assert read_columns(tmp_path / "t.parquet", ["age"]).cells == {"age": [1, 2, 3]}
    (tmp_path / "t.csv").write_bytes(b"file,age\na,1\n\xff,2\nc,3\n")
    with pytest.raises(InvalidDataError, match=r"t\.csv', line 3: a table should be text in UTF-8"):
        read_columns(tmp_path / "t.csv", ["age"])


@pytest.mark.fault(18)
def test_an_empty_first_row_group_is_read(tmp_path):
    table = pa.table({"age": [1.0, 2.0]})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as writer:
        writer.write_table(table.slice(0, 0))
        writer.write_table(table)
    assert read_columns(tmp_path / "t.parquet", ["age"]).places == ("row 1", "row 2")


@pytest.mark.parametrize("text", ["{name}\na,1\n", "name,age\n{name},1\n", '"{name}",age\na,1\n'])
def test_a_cell_that_is_too_long_for_the_reader_is_named(tmp_path, text):
    (tmp_path / "t.csv").write_text(text.format(name="x" * 200_000))
    with pytest.raises(InvalidDataError, match=r"t\.csv', line \d: a row should consist of cells"):
        read_columns(tmp_path / "t.csv", ["age"])
