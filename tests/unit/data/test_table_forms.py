"""Tables as people have them: words for missing values, separators, compression, comments, and files of other kinds."""

import bz2
import gzip
import lzma
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deepgum.data.cell_format import CellFormat, MissingMarks
from deepgum.data.columns import column_batches, column_names, read_columns
from deepgum.errors import InvalidDataError, InvalidParameterError

TEXT = "id,age\na,31\nb,\nc,44.5\n"
FRAME = pd.DataFrame({"id": ["a", "b", "c"], "age": [31.0, np.nan, 44.5]})


def ages(path: Path, form: CellFormat | None = None) -> list[float]:
    return read_columns(path, ["age"], form).numbers("age", missing=True).tolist()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
@pytest.mark.parametrize("name", ["labels.csv.gz", "labels.csv"])
@pytest.mark.case(19)
def test_compressed_text_is_read_whatever_its_name(tmp_path, pack, name):
    path = tmp_path / name
    path.write_bytes(pack(TEXT.encode()))
    np.testing.assert_array_equal(ages(path), [31, np.nan, 44.5])
    assert [len(part) for part in column_batches(path, ["id"], 2)] == [2, 1]
    path.write_bytes(pack(TEXT.encode() * 50)[:-20])
    with pytest.raises(InvalidDataError, match=r"complete .* file"):
        ages(path)


@pytest.mark.parametrize(
    "text",
    [
        "# made by hand, on Monday\n#\nid,age\na,31\n# later\nb,\nc,44.5\n",
        "sep=;\nid;age\na;31\nb;\nc;44.5\n",
        '"sep=|"\r\nid|age\r\na|31\r\nb|\r\nc|44.5\r\n',
        "id|age\na|31\nb|\nc|44.5\n",
        "id age\na 31\nb NA\nc 44.5\n",
        "  id    age\n   a   31\n   b    NA\n   c  44.5\n",
        "#note\n\nid\tage\na\t31\nb\tnull\nc\t44.5\n",
        '[{"id": "a", "age": 31}, {"id": "b", "age": null}, {"id": "c", "age": 44.5}]',
        '{"id": "a", "age": 31}\n{"id": "b"}\n{"id": "c", "age": "44.5"}\n',
    ],
)
@pytest.mark.case(19)
def test_the_beginning_of_a_text_is_understood(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert column_names(path) == ["id", "age"]
    np.testing.assert_array_equal(ages(path), [31, np.nan, 44.5])


def test_lines_are_counted_from_the_start_of_the_file(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("sep=;\n# note\nid;age\na;31\nb;old\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match=r"line 5, column 'age'.*'old'.*--missing old"):
        ages(path)


def test_a_header_that_begins_with_a_hash_is_no_comment(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("#id,age\n1,31\n", encoding="utf-8")
    assert column_names(path) == ["#id", "age"]


@pytest.mark.parametrize(
    "word",
    [
        "NA",
        "N/A",
        "n/a",
        "NULL",
        "null",
        "None",
        "none",
        "<NA>",
        "#N/A",
        "#N/A N/A",
        "NaN",
        "nan",
        "-nan",
        "NaT",
        r"\N",
    ],
)
@pytest.mark.case(20)
def test_words_of_other_programs_mark_missing_values(tmp_path, word):
    path = tmp_path / "labels.csv"
    path.write_text(TEXT.replace("b,", f"b, {word} "), encoding="utf-8")
    np.testing.assert_array_equal(ages(path), [31, np.nan, 44.5])
    assert np.isnan(pd.read_csv(path, skipinitialspace=True, na_values=["none", "NaT", r"\N", word + " "])["age"][1])
    with pytest.raises(InvalidDataError, match="should be a number"):
        read_columns(path, ["age"]).numbers("age", missing=False)


@pytest.mark.parametrize("word", ["?", "-", ".", "unknown", "n.d."])
@pytest.mark.case(20)
def test_other_words_are_refused_with_the_option_to_type(tmp_path, word):
    path = tmp_path / "labels.csv"
    path.write_text(TEXT.replace("b,", f"b,{word}"), encoding="utf-8")
    with pytest.raises(InvalidDataError) as caught:
        ages(path)
    assert "--missing" in str(caught.value)
    assert word in str(caught.value)
    form = CellFormat(MissingMarks.of([word.upper()]))
    np.testing.assert_array_equal(ages(path, form), [31, np.nan, 44.5])


@pytest.mark.parametrize(
    ("cell", "options", "value", "hint"),
    [
        ("3,5", {"decimal": ","}, 3.5, "--decimal ,"),
        ("1,234.5", {"thousands": ","}, 1234.5, "--thousands ,"),
        ("1.234,5", {"thousands": ".", "decimal": ","}, 1234.5, "--thousands . --decimal ,"),
        ("1 234 567", {"thousands": " "}, 1234567.0, "--thousands ' '"),
        ("1\u202f234", {"thousands": " "}, 1234.0, "--thousands ' '"),
        ("1'234", {"thousands": "'"}, 1234.0, '--thousands "\'"'),
        ("-1,234,567", {"thousands": ","}, -1234567.0, "--thousands ,"),
        ("$12.50", {}, None, "write '12.50'"),
        ("12 %", {}, None, "write '12'"),
        ("12.5 EUR", {}, None, "write '12.5'"),
        ("#DIV/0!", {}, None, "--missing '#DIV/0!'"),
        ("1_000", {}, None, ""),
        ("12,34", {"thousands": ","}, None, ""),
        ("True", {}, None, "--missing True"),
    ],
)
def test_separators_and_signs_are_named_and_never_guessed(cell, options, value, hint):
    plain = CellFormat()
    assert plain.number(cell) is None
    assert hint in plain.hint(cell)
    assert CellFormat(**options).number(cell) == value


def test_formats_that_contradict_themselves_are_refused():
    for options in ({"decimal": "x"}, {"thousands": "."}, {"thousands": "x"}):
        with pytest.raises(InvalidParameterError):
            CellFormat(**options)
    for marks in ([object()], [(1, 2, 3)], [("a", "b")], [True]):
        with pytest.raises(InvalidParameterError, match="missing"):
            MissingMarks.of(marks)


def test_a_tuple_of_two_numbers_is_a_point_and_a_list_is_several_marks():
    labels = np.array([[0.0, 0.0, 0.0, 5.0]])
    nan = np.nan
    for marks, expected in (((0, 0), [nan, nan, 0, 5]), ([(0, 0)], [nan, nan, 0, 5]), ([0, 5], [nan, nan, nan, nan])):
        np.testing.assert_array_equal(MissingMarks.of(marks).removed(labels), [expected])
    assert MissingMarks.of(("0", "5")).numbers == (0, 5)  # as the command line gives them
    with pytest.raises(InvalidParameterError, match=r"or a list of numbers: \[0\.0, -1\.0\]"):
        MissingMarks.of((0, -1)).removed(labels[:, :3])


def write_sqlite(path):
    with sqlite3.connect(path) as connection:
        FRAME.to_sql("t", connection)


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"\x00" * 40), "Excel"),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 40), "Excel"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 40), "HDF5"),
        (FRAME.to_pickle, "pickle"),
        (write_sqlite, "SQLite"),
        (lambda path: path.write_text(TEXT, encoding="utf-16"), "UTF-16"),
        (lambda path: path.write_text(TEXT, encoding="utf-16-le"), "UTF-16"),
        (lambda path: path.write_bytes(gzip.compress(b"PK\x03\x04" + b"\x00" * 40)), "Excel"),
        (lambda path: path.write_text('{"a": {"b": 1}}', encoding="utf-8"), "object"),
        (lambda path: path.write_text("[1, 2]", encoding="utf-8"), "other JSON"),
    ],
)
@pytest.mark.case(19)
def test_files_of_other_kinds_are_named(tmp_path, write, kind):
    path = tmp_path / "labels.csv"
    write(path)
    with pytest.raises(InvalidDataError, match=f"(?s)should be a table.*{kind}.*Save"):
        column_names(path)


@pytest.mark.parametrize("name", ["labels.feather", "labels.csv"])
@pytest.mark.case(19)
def test_feather_is_read_by_its_content(tmp_path, name):
    FRAME.to_feather(tmp_path / name)
    np.testing.assert_array_equal(ages(tmp_path / name), [31, np.nan, 44.5])
    assert [len(part) for part in column_batches(tmp_path / name, ["age"], 2)] == [2, 1]


def test_whole_numbers_are_ids_as_they_are(tmp_path):
    for text, whole in (("id\n7\n12\n", True), ("id\n007\n12\n", False), ("id\na\n12\n", False)):
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        assert read_columns(tmp_path / "a.csv", ["id"]).has_whole_numbers("id") is whole
    pd.DataFrame({"id": [7, 12], "name": ["7", "12"]}).to_parquet(tmp_path / "a.parquet")
    table = read_columns(tmp_path / "a.parquet", ["id", "name"])
    assert table.has_whole_numbers("id")
    assert not table.has_whole_numbers("name")
