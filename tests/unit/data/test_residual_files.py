"""Residuals on disk: the rows that come out are those that went in, each process's share once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepgum.data.residual_files import ArrayBatches, ParquetBatches
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture import GaussianUniformMixture


@dataclass(frozen=True)
class Share:
    """The part of `Processes` that a reader uses."""

    rank: int
    world_size: int


def residuals(n: int = 100, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)
    values[::7, 1] = math.nan
    return values


def write(path: Path, values: np.ndarray, row_group_size: int = 16, **more: object) -> Path:
    """Write columns x and y, NaN as null."""
    columns = {name: pa.array(column, from_pandas=True) for name, column in zip("xy", values.T, strict=True)}
    pq.write_table(pa.table(columns | more), path, row_group_size=row_group_size)
    return path


def rows(batches: ParquetBatches | ArrayBatches) -> np.ndarray:
    return np.concatenate([np.empty((0, 2), np.float32), *batches])


@pytest.mark.parametrize("batch_size", [1, 10, 16, 1000])
def test_a_file_gives_its_rows_in_order_each_time(tmp_path, batch_size):
    values = residuals()
    batches = ParquetBatches(write(tmp_path / "r.parquet", values), batch_size=batch_size)
    assert (batches.columns, batches.n_rows) == (("x", "y"), 100)
    for _ in range(2):
        np.testing.assert_array_equal(rows(batches), values)
    assert max(map(len, batches)) <= batch_size
    assert next(iter(batches)).dtype == np.float32


def test_a_folder_gives_its_files_one_after_the_other(tmp_path):
    parts = [residuals(30, 1), residuals(50, 2), residuals(20, 3)]
    for name, part in zip("bac", parts, strict=True):
        write(tmp_path / f"{name}.parquet", part)
    (tmp_path / "notes.txt").write_text("no data")
    np.testing.assert_array_equal(rows(ParquetBatches(tmp_path)), np.concatenate([parts[1], parts[0], parts[2]]))


def test_columns_come_in_the_order_asked_for_and_weights_apart(tmp_path):
    values, weights = residuals(), np.linspace(0, 1, 100)
    file = write(tmp_path / "r.parquet", values, w=pa.array(weights))
    swapped = ParquetBatches(file, ["y", "x"], sample_weight="w", batch_size=30)
    assert ParquetBatches(file, sample_weight="w").columns == ("x", "y")
    for first, (part, weight) in zip(range(0, 100, 30), swapped, strict=True):
        np.testing.assert_array_equal(part, values[first : first + 30, ::-1])
        np.testing.assert_array_equal(weight, weights[first : first + 30])


@pytest.mark.parametrize("name", [None, "id", "x"])
def test_an_index_of_pandas_is_no_coordinate(tmp_path, name):
    pandas = pytest.importorskip("pandas")
    values = residuals()
    frame = pandas.DataFrame(values, columns=["a", "b"], index=pandas.Index([5, 7] * 50, name=name))
    # As a column; as a range, which is none; and as two columns.
    for each in (frame, frame.reset_index(drop=True), frame.set_index(frame["a"].rename("j"), append=True)):
        each.to_parquet(tmp_path / "r.parquet")
        batches = ParquetBatches(tmp_path / "r.parquet")
        assert batches.columns == ("a", "b")
        np.testing.assert_array_equal(rows(batches), values)
    frame.to_parquet(tmp_path / "r.parquet")
    asked = ParquetBatches(tmp_path / "r.parquet", [name or "__index_level_0__"])
    assert next(iter(asked))[:2].tolist() == [[5.0], [7.0]]


@pytest.mark.parametrize("metadata", [b"no JSON", b"[]", b"{}"])
def test_metadata_that_are_not_those_of_pandas_say_nothing(tmp_path, metadata):
    table = pa.table({"x": [1.0], "y": [2.0]}).replace_schema_metadata({b"pandas": metadata})
    pq.write_table(table, tmp_path / "r.parquet")
    assert ParquetBatches(tmp_path / "r.parquet").columns == ("x", "y")


@pytest.mark.parametrize(
    ("kind", "found"),
    [(pa.float64(), np.float64), (pa.int64(), np.float64), (pa.int8(), np.float32), (pa.float16(), np.float32)],
)
def test_numbers_of_all_types_are_kept_whole(tmp_path, kind, found):
    values = np.array([3, None, 2**53 if found is np.float64 else 2**6], dtype=object)
    column = pa.array([None if v is None else np.float16(v) if kind == pa.float16() else v for v in values], kind)
    pq.write_table(pa.table({"x": column, "y": pa.array([0.5, 1.5, 2.5], pa.float32())}), tmp_path / "r.parquet")
    (batch,) = ParquetBatches(tmp_path / "r.parquet")
    assert batch.dtype == found
    np.testing.assert_array_equal(batch, [[3, 0.5], [math.nan, 1.5], [values[2], 2.5]])


@pytest.mark.parametrize("world_size", [1, 2, 3, 9])
def test_each_row_goes_to_one_process(tmp_path, world_size):
    values = residuals()
    write(tmp_path / "a.parquet", values[:60])
    write(tmp_path / "b.parquet", values[60:])
    np.save(tmp_path / "r.npy", values)
    for kind, path in ((ParquetBatches, tmp_path), (ArrayBatches, tmp_path / "r.npy")):
        shares = [kind(path, processes=Share(rank, world_size)) for rank in range(world_size)]
        assert sum(share.n_rows for share in shares) == 100
        assert [share.n_rows for share in shares] == [len(rows(share)) for share in shares]
        every = np.concatenate([rows(share) for share in shares])
        assert sorted(every[:, 0].tolist()) == sorted(values[:, 0].tolist())


def test_an_array_gives_its_rows_in_order_from_memory_map_and_path(tmp_path):
    values, weights = residuals(), np.linspace(0, 1, 100)
    np.save(tmp_path / "r.npy", values)
    np.save(tmp_path / "w.npy", weights)
    for array in (values, np.load(tmp_path / "r.npy", mmap_mode="r"), tmp_path / "r.npy", str(tmp_path / "r.npy")):
        batches = ArrayBatches(array, batch_size=33)
        for _ in range(2):
            np.testing.assert_array_equal(rows(batches), values)
        assert [len(batch) for batch in batches] == [33, 33, 33, 1]
    weighted = ArrayBatches(values, sample_weight=tmp_path / "w.npy", batch_size=60)
    np.testing.assert_array_equal(np.concatenate([weight for _, weight in weighted]), weights)


@pytest.mark.filterwarnings("error::UserWarning:torch")
def test_a_mixture_fits_files_as_it_fits_memory(tmp_path):
    values, weights = residuals(400), np.linspace(0, 1, 400)
    values[::3] *= 20
    np.save(tmp_path / "r.npy", values)
    file = write(tmp_path / "r.parquet", values, w=pa.array(weights))
    whole = GaussianUniformMixture().fit(values, weights)
    for batches in (
        ParquetBatches(file, sample_weight="w", batch_size=90),
        ArrayBatches(np.load(tmp_path / "r.npy", mmap_mode="r"), sample_weight=weights, batch_size=90),
    ):
        streamed = GaussianUniformMixture().fit_batches(batches)
        assert isinstance(streamed.inlier_prior_, np.ndarray)
        np.testing.assert_allclose(streamed.covariances_[0], whole.covariances_[0], rtol=1e-10)
        np.testing.assert_allclose(streamed.inlier_prior_, whole.inlier_prior_, rtol=1e-10)


def test_what_is_not_there_is_named(tmp_path):
    file = write(tmp_path / "r.parquet", residuals())
    for reader, name in ((ParquetBatches, "path"), (ArrayBatches, "array")):
        with pytest.raises(InvalidParameterError, match=rf"`{name}`.*nowhere.*There is no such"):
            reader(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidParameterError, match=r"No name in the folder ends in \.parquet"):
        ParquetBatches(tmp_path / "empty")
    with pytest.raises(InvalidDataError, match=r"r\.parquet has no column z\. Found x, y"):
        ParquetBatches(file, ["x", "z"])
    with pytest.raises(InvalidDataError, match=r"has no column w"):
        ParquetBatches(file, sample_weight="w")
    for columns in ([], ["x", "x"]):
        with pytest.raises(InvalidParameterError, match="each once"):
            ParquetBatches(file, columns)


def test_a_second_file_without_the_columns_of_the_first_is_named(tmp_path):
    write(tmp_path / "a.parquet", residuals())
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(InvalidDataError, match=r"b\.parquet has no column y"):
        ParquetBatches(tmp_path)


def test_what_holds_no_residuals_is_refused(tmp_path):
    named = write(tmp_path / "r.parquet", residuals(), who=pa.array(["a"] * 100))
    with pytest.raises(InvalidDataError, match=r"should hold numbers.*who \(string\)"):
        ParquetBatches(named)
    assert ParquetBatches(named, ["x", "y"]).n_rows == 100
    (tmp_path / "text.parquet").write_text("x,y\n1,2\n")
    with pytest.raises(InvalidDataError, match=r"text\.parquet should be a Parquet file"):
        ParquetBatches(tmp_path / "text.parquet")
    (tmp_path / "text.npy").write_text("1 2")
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "several.npz", a=np.zeros((2, 2)))
    for name in ("text.npy", "pickled.npy", "several.npz"):
        with pytest.raises(InvalidDataError, match=rf"{name} should hold one array of numbers"):
            ArrayBatches(tmp_path / name)
    with pytest.raises(InvalidDataError, match=r"shape \(n, d\). Found \(3,\)"):
        ArrayBatches(np.zeros(3))
    with pytest.raises(InvalidDataError, match=r"should have shape \(3,\), one weight per row. Found \(2,\)"):
        ArrayBatches(np.zeros((3, 2)), sample_weight=np.zeros(2))
    for reader, what in ((ParquetBatches, named), (ArrayBatches, np.zeros((3, 2)))):
        with pytest.raises(InvalidParameterError, match="batch_size"):
            reader(what, batch_size=0)


def test_a_file_that_breaks_off_is_named(tmp_path):
    file = write(tmp_path / "r.parquet", residuals(4000), row_group_size=1000)
    batches = ParquetBatches(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(InvalidDataError, match=r"r\.parquet cannot be read to the end"):
        list(batches)
