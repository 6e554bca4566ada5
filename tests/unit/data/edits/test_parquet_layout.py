"""A Parquet file with new labels is stored as the file before, or a note says what differs."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepgum.data.edits.cells import open_table

TIMES = [datetime.datetime(2020, 1, day, 12) for day in (1, 2, 3)]


def rewritten(path, cells, without=()):
    """Write the table with new ages; return the metadata of the new file and the notes."""
    notes = open_table(path, ["age"]).write(
        {row: {"age": age} for row, age in cells.items()}, path.with_stem("new"), without=without
    )
    return pq.read_metadata(path.with_stem("new")), notes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.parquet"


def ages(**columns):
    return pa.table({"file": ["a", "b", "c"], "age": [1.0, 2.0, 3.0]} | columns)


@pytest.mark.fault(18)
@pytest.mark.parametrize("sizes", [[0, 3], [0, 0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_row_groups_stay_also_empty_ones(path, sizes):
    table, first = ages(), 0
    with pq.ParquetWriter(path, table.schema) as writer:
        for size in sizes:
            writer.write_table(table.slice(first, size))
            first += size
    about, notes = rewritten(path, {1: 9.0})
    assert [about.row_group(place).num_rows for place in range(about.num_row_groups)] == sizes
    assert pq.read_table(path.with_stem("new"))["age"].to_pylist() == [1.0, 9.0, 3.0]
    assert notes == ()
    about, _ = rewritten(path, {}, without=[0])
    assert about.num_rows == 2
    assert about.num_row_groups == len(sizes)


@pytest.mark.fault(18)
def test_each_column_keeps_its_codec(path):
    table = ages(box=[[1, 2], [], None], deep=[{"x": {"y": 1}}] * 3)
    codecs = {"file": "zstd", "age": "gzip", "box.list.element": "snappy", "deep.x.y": "none"}
    pq.write_table(table, path, compression=codecs)
    about, notes = rewritten(path, {1: 9.0})
    group = about.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}
    assert found == {"file": "ZSTD", "age": "GZIP", "box.list.element": "SNAPPY", "deep.x.y": "UNCOMPRESSED"}
    assert notes == ()


@pytest.mark.fault(18)
def test_int96_timestamps_stay_also_in_the_year_9999(path):
    far = [datetime.datetime(9999, 1, 1), None, TIMES[0]]
    table = ages(near=pa.array(TIMES, pa.timestamp("ns")), far=pa.array(far, pa.timestamp("us")))
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    about, notes = rewritten(path, {1: 9.0})
    assert [about.schema.column(i).physical_type for i in (2, 3)] == ["INT96", "INT96"]
    new = pq.read_table(path.with_stem("new"), coerce_int96_timestamp_unit="us")
    assert new["near"].to_pylist() == TIMES
    assert new["far"].to_pylist() == far
    assert notes == ()


@pytest.mark.fault(18)
def test_a_file_says_that_it_is_sorted_unless_a_sorting_column_changed(path):
    order = [pq.SortingColumn(0, descending=True), pq.SortingColumn(2)]
    pq.write_table(ages(x=[1, 2, 3]), path, sorting_columns=order)
    about, notes = rewritten(path, {1: 9.0})
    assert list(about.row_group(0).sorting_columns) == order
    assert notes == ()
    pq.write_table(ages(), path, sorting_columns=[pq.SortingColumn(1)])
    about, notes = rewritten(path, {1: 9.0})
    assert about.row_group(0).sorting_columns == ()
    assert notes == ("The new file does not say that its rows are sorted by age.",)


def test_nanoseconds_of_int96_stay(path):
    times = np.array(["2020-01-01T00:00:00.000000001"] * 3, "datetime64[ns]")
    pq.write_table(ages(at=pa.array(times)), path, use_deprecated_int96_timestamps=True)
    rewritten(path, {1: 9.0})
    assert pq.read_table(path.with_stem("new"))["at"].cast(pa.int64()).to_pylist() == times.astype(int).tolist()
