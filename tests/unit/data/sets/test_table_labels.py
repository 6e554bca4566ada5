"""Labels of tables: only changed cells differ; other bytes of CSV files and other types of Parquet files stay."""

import csv
import io
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepgum.data.sets.table import TableFile
from deepgum.data.sets.table_samples import load_table
from deepgum.errors import InvalidDataError, InvalidParameterError

NASTY = (
    'a "quoted".jpg', "with space.jpg", "<b>bold</b>.jpg", "a..b.jpg", "../up.jpg", "two\nlines.jpg", "a,b;c\td.jpg",
    "Zoë_Straße.jpg", "写真.jpg", "фото.jpg", "line\u2028paragraph\u0085.jpg", "two\r\nlines.jpg",
)  # fmt: skip
OPTIONS = {"targets": ["age", "x"], "image": "file", "features": [], "id": ""}


def table(path, rows, *, names=("file", "age", "note", "x"), mark=b"", **dialect):
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([names, *rows])
    path.write_bytes(mark + text.getvalue().encode())
    return path


def read(path, **options):
    table = TableFile()
    return table.labels(path, table.check_options(OPTIONS | options))


def rewritten(path, changes=None, **options):
    out = path.with_name(f"new-{path.name}")
    out.unlink(missing_ok=True)
    read(path, **options).write(changes or {}, out)
    return out


ROWS = [(name, f"{20 + i}.50", 'so "it" is', f"{i}.25") for i, name in enumerate(NASTY)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_without_changes_is_the_same_file(tmp_path, delimiter, ending, mark):
    quoting = (
        csv.QUOTE_ALL if ending == "\r" else csv.QUOTE_MINIMAL
    )  # QUOTE_MINIMAL does not quote line breaks of another kind
    path = table(tmp_path / "t.csv", ROWS, delimiter=delimiter, lineterminator=ending, mark=mark, quoting=quoting)
    assert rewritten(path).read_bytes() == path.read_bytes()


def test_only_changed_cells_differ_and_the_old_values_give_the_old_file(tmp_path):
    path = table(tmp_path / "t.csv", ROWS, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    labels = read(path)
    assert labels.ids == NASTY
    new = {NASTY[1]: np.array([33.0, 1.25]), NASTY[5]: np.array([25.5, np.nan])}
    out = rewritten(path, new)
    before, after = (
        list(csv.reader(io.StringIO(p.read_bytes().decode(), newline=""), delimiter=";")) for p in (path, out)
    )
    assert [
        (row, column, a, b)
        for row, (old, made) in enumerate(zip(before, after, strict=True))
        for column, (a, b) in enumerate(zip(old, made, strict=True))
        if a != b
    ] == [(2, 1, "21.50", "33.00"), (6, 3, "5.25", "")]
    assert out.read_bytes().count(b'"') == path.read_bytes().count(b'"')
    back = read(out).write({name: labels.values[labels.rows[name]] for name in new}, tmp_path / "back.csv")
    assert back == ()
    assert (tmp_path / "back.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        (["31", "58"], 33.0, "33"),
        (["31", "58"], 33.25, "33.25"),
        (["31.0", "58.0"], 33.0, "33.0"),
        (["31.50", "58"], 33.0, "33"),
        (["031", "008"], -7.0, "-007"),
        (["", "58"], 33.0, "33"),
        (["nan", "58"], 33.0, "33"),
        (["1e2", "58"], 33.0, "33"),
    ],
)
def test_a_new_number_looks_like_the_others(tmp_path, before, new, after):
    path = table(tmp_path / "t.csv", [(name, age, "", "1") for name, age in zip("ab", before, strict=True)])
    out = rewritten(path, {"a": np.array([new, 1.0])})
    assert out.read_text().splitlines()[1] == f"a,{after},,1"


def test_white_space_around_a_number_stays(tmp_path):
    (tmp_path / "t.csv").write_text("file,age,x\na, 31 ,1\n")
    assert rewritten(tmp_path / "t.csv", {"a": np.array([13.0, 1.0])}).read_text() == "file,age,x\na, 13 ,1\n"


def test_blank_rows_and_a_missing_end_of_the_last_line_stay(tmp_path):
    (tmp_path / "t.csv").write_text("\nfile,age,x\n\na,31,1\n , ,\nb,58,2")
    assert rewritten(tmp_path / "t.csv", {"b": np.array([85.0, 2.0])}).read_text() == (
        "\nfile,age,x\n\na,31,1\n , ,\nb,85,2"
    )


def test_a_missing_label_can_be_filled(tmp_path):
    path = table(tmp_path / "t.csv", [("a", "", "", "1"), ("b", "4", "", "2"), ("c", "5", "", "")])
    labels = read(path)
    np.testing.assert_array_equal(labels.values, [[np.nan, 1], [4, 2], [5, np.nan]])
    assert rewritten(path, {"a": np.array([3.0, np.nan])}).read_text().splitlines()[1:] == ["a,3,,", "b,4,,2", "c,5,,"]
    assert labels.left_out({"b": np.array([np.nan, np.nan])}) == ()


def test_ids_are_those_of_the_loader(tmp_path):
    for name in ("a.png", "b c.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    rows = [("a.png", "1", "n1", "5"), ("b c.png", "2", "n2", "6"), ("a.png", "3", "n3", "7")]
    path = table(tmp_path / "t.csv", rows)
    for options in ({"image": "file"}, {"image": "file", "id": "note"}, {"features": ["x"]}):
        targets = ["age"]
        pool = load_table(path, targets=targets, cache_dir=tmp_path / "cache", **options)
        labels = TableFile().labels(path, TableFile().check_options({"targets": targets} | options))
        assert labels.ids == pool.data.ids
        np.testing.assert_array_equal(labels.values, pool.data.targets)


def test_errors_name_the_file_the_line_and_the_column(tmp_path):
    with pytest.raises(InvalidParameterError, match="a CSV or Parquet file"):
        read(tmp_path / "none.csv")
    path = table(tmp_path / "t.csv", [("a", "old", "", "1")])
    with pytest.raises(InvalidDataError, match="line 2, column 'age'"):
        read(path)
    with pytest.raises(InvalidDataError, match="Did you mean 'age'"):
        read(path, targets=["agee"])
    with pytest.raises(InvalidParameterError, match=r"options\.targets"):
        read(path, targets=[])


def parquet(path, **columns):
    table = pa.table({"file": pa.array(["a", "b", "c"], pa.string()), "note": [{"k": [1]}, None, {"k": []}]} | columns)
    pq.write_table(
        table.replace_schema_metadata({"who": "ann"}), path, compression="zstd", row_group_size=2, use_dictionary=False
    )
    return table


@pytest.mark.parametrize(
    ("kind", "values", "new", "stored"),
    [
        (pa.float32(), [1.5, None, 3.0], [2.25, np.nan], [2.25, None, None]),
        (pa.float64(), [1.5, float("nan"), 3.0], [0.1, np.nan], [0.1, None, None]),
        (pa.int16(), [1, None, 3], [2.4, np.nan], [2, None, None]),
        (pa.string(), ["1", "", "3.0"], [2.5, np.nan], ["2.5", None, None]),
        (pa.decimal128(6, 2), [Decimal("1.50"), None, Decimal("3.00")], [2.25, np.nan], [Decimal("2.25"), None, None]),
    ],
)
def test_only_the_cells_of_a_parquet_file_change(tmp_path, kind, values, new, stored):
    path = tmp_path / "t.parquet"
    before = parquet(path, age=pa.array(values, kind), x=pa.array([1.0, 2.0, 3.0], pa.float32()))
    labels = read(path)
    notes = labels.write({"a": np.array([new[0], 1.0]), "c": np.array([new[1], 3.0])}, tmp_path / "new.parquet")
    after, about = pq.read_table(tmp_path / "new.parquet"), pq.ParquetFile(tmp_path / "new.parquet").metadata
    assert after.schema.equals(pq.read_schema(path), check_metadata=True)
    assert after.drop_columns("age") == before.drop_columns("age")
    middle = after["age"][1].as_py()
    assert [after["age"][0].as_py(), after["age"][2].as_py()] == stored[::2]
    assert middle == values[1] or (middle != middle and values[1] != values[1])
    assert (about.num_row_groups, about.row_group(0).column(0).compression) == (2, "ZSTD")
    assert bool(notes) == (kind == pa.int16())


def test_a_parquet_file_without_changes_has_the_same_content(tmp_path):
    before = parquet(tmp_path / "t.parquet", age=[1, 2, 3], x=[1, 2, 3])
    assert pq.read_table(rewritten(tmp_path / "t.parquet")) == before


def test_a_parquet_column_that_cannot_hold_a_label_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    parquet(path, age=pa.array([1, 2, 3], pa.uint8()), x=[1.0, 2.0, 3.0])
    with pytest.raises(InvalidDataError, match=r"t\.parquet', column 'age', should hold .* uint8. Found \[300"):
        rewritten(path, {"a": np.array([300.0, 1.0])})
    schema = pa.schema([pa.field("file", pa.string()), pa.field("age", pa.int8(), nullable=False), ("x", pa.int8())])
    pq.write_table(pa.table({"file": ["a"], "age": [1], "x": [1]}, schema=schema), path)
    with pytest.raises(InvalidDataError, match="column 'age', should allow nulls"):
        rewritten(path, {"a": np.array([np.nan, 1.0])})
    assert not (tmp_path / "new-t.parquet").exists()


def test_a_small_table_is_written(tmp_path):
    path = table(tmp_path / "t.csv", [(name, "1", "", "2") for name in "abc"])
    assert rewritten(path, {"c": np.array([np.nan, 3.0])}).read_text().splitlines()[-1] == "c,,,3"
