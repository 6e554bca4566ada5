"""Tables are written again in their own form: compression, marks of missing labels, separators, types of Parquet."""

import gzip
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepgum.data.edits.cells import open_table
from deepgum.data.sets.registry import get_dataset
from deepgum.errors import InvalidDataError

TABLE = get_dataset("table")


def corrected(path, out, changes, **options):
    """Write the table with new labels; NaN drops a label. The ids are the names in the column `id`."""
    chosen = TABLE.check_options({"targets": ["age"], "id": "id", "features": ["age"], **options} | {"features": []})
    labels = TABLE.labels(path, chosen)
    return labels.write({name: np.atleast_1d(np.array(new, dtype=float)) for name, new in changes.items()}, out)


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        ("id,age\na,31\nb,NA\nc,40\n", {}, "id,age\na,32.5\nb,NA\nc,NA\n"),
        ("id,age\na,31\nb,\nc,40\n", {}, "id,age\na,32.5\nb,\nc,\n"),
        ("id,age\na,31\nb,-9999\nc,40\n", {"missing": [-9999]}, "id,age\na,32.5\nb,-9999\nc,-9999\n"),
        ("id,age\na,31\nb,?\nc,40\n", {"missing": ["?"]}, "id,age\na,32.5\nb,?\nc,?\n"),
        ("id;age\na;31,0\nb;NA\nc;40,5\n", {"decimal": ","}, "id;age\na;32,5\nb;NA\nc;NA\n"),
        ('id,age\na,31\nb,"30,5"\nc,40\n', {"decimal": ","}, 'id,age\na,"32,5"\nb,"30,5"\nc,\n'),
        ("# note\nid|age\na|31\n# later\nb|NA\nc|40\n", {}, "# note\nid|age\na|32.5\n# later\nb|NA\nc|NA\n"),
        ("sep=;\nid;age\na;31\nb;\nc;40\n", {}, "sep=;\nid;age\na;32.5\nb;\nc;\n"),
    ],
)
@pytest.mark.case(21)
def test_everything_else_stays_as_it_is(tmp_path, before, options, after):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(before, encoding="utf-8")
    corrected(path, out, {"a": 32.5, "c": np.nan}, **options)
    assert out.read_text(encoding="utf-8") == after
    path.write_bytes(gzip.compress(before.encode()))
    corrected(path, tmp_path / "c.csv", {"a": 32.5, "c": np.nan}, **options)
    assert gzip.decompress((tmp_path / "c.csv").read_bytes()).decode() == after


def test_a_dropped_landmark_gets_the_point_that_marks_others(tmp_path):
    path, out = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("id,p_x,p_y\na,3,4\nb,0,0\nc,0,9\n", encoding="utf-8")
    options = {"targets": ["p_x", "p_y"], "missing": [[0, 0]]}
    labels = TABLE.labels(path, TABLE.check_options({"id": "id", **options}))
    np.testing.assert_array_equal(labels.values, [[3, 4], [np.nan, np.nan], [0, 9]])
    corrected(path, out, {"a": [np.nan, np.nan]}, **options)
    assert out.read_text(encoding="utf-8") == "id,p_x,p_y\na,0,0\nb,0,0\nc,0,9\n"


@pytest.mark.parametrize(
    ("kind", "new", "written"),
    [
        (pa.decimal128(12, 1), 32.26, Decimal("32.3")),
        (pa.decimal128(12, 3), 32.25, Decimal("32.250")),
        (pa.decimal256(50, 2), 32.255001, Decimal("32.26")),
        (pa.dictionary(pa.int32(), pa.string()), 32.25, "32.25"),
        (pa.dictionary(pa.int8(), pa.float64()), 32.25, 32.25),
        (pa.dictionary(pa.int8(), pa.int64()), 32.6, 33),
        (pa.float16(), 32.25, 32.25),
        (pa.large_string(), 32.25, "32.25"),
        (pa.int16(), 32.6, 33),
    ],
)
@pytest.mark.case(21)
def test_types_of_parquet_columns_stay(tmp_path, kind, new, written):
    path, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = pa.array(["31", None, "40"])
    values = pa.array([Decimal(31), None, Decimal(40)], plain) if pa.types.is_decimal(plain) else texts.cast(plain)
    encoded = values.dictionary_encode() if pa.types.is_dictionary(kind) else values
    pq.write_table(pa.table({"id": ["a", "b", "c"], "age": encoded}), path)
    notes = corrected(path, out, {"a": new, "c": np.nan})
    table = pq.read_table(out)
    assert table.schema.field("age").type == pq.read_table(path).schema.field("age").type
    assert table.column("age").to_pylist() == [written, None, None]
    assert bool(notes) == (float(written) != new)


def test_tables_that_are_only_read_say_so_before_any_work(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id age\na 31\nb 30\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match=r"only read. Save the table as CSV"):
        open_table(path, ["age"])
    path.write_text('{"id": "a", "age": 31}\n', encoding="utf-8")
    with pytest.raises(InvalidDataError, match=r"Found json, which is only read"):
        open_table(path, ["age"])
