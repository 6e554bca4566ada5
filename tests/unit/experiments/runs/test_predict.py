"""Predictions of the network of a finished run, for images and features, in the unit of the labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import deepgum.experiments.runs.trained as trained
from deepgum.errors import (
    DeepGUMError,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnreadableImagesError,
)
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.predict import predict_inputs
from deepgum.experiments.runs.run_data import load_subset
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.trained import TrainedRun
from deepgum.storage.output import check_file


def constant_network(value: float, outputs: int = 8) -> Any:
    class Constant(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.full((len(inputs), outputs), value) + torch.arange(outputs) / 16

    return Constant()


# ---- predictions for images


def test_images_of_the_data_set_get_the_predictions_of_the_run(ages: RunFolder) -> None:
    folder = ages.path.parent
    subset = load_subset(RunConfig.from_mapping(_values(ages)))
    expected = TrainedRun.load(ages.path).predict(subset.test)
    files = [folder / name for name in expected.ids]
    found = predict_inputs(ages.path, files)
    np.testing.assert_allclose(found.predicted, expected.predicted, rtol=1e-5)
    assert found.ids == tuple(map(str, files))
    assert np.isnan(found.labels).all()
    assert found.names == ("age",)


def _values(folder: RunFolder) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(folder.config.read_text())


def test_a_folder_a_list_of_files_and_a_table_are_the_same_images(ages: RunFolder, tmp_path: Path) -> None:
    folder = ages.path.parent
    by_table = predict_inputs(ages.path, [folder / "ages.csv"])
    by_file = predict_inputs(ages.path, [folder / name for name in (f"faces/{index}.png" for index in range(30))])
    by_folder = predict_inputs(ages.path, [folder / "faces"])
    assert by_table.ids == tuple(f"faces/{index}.png" for index in range(30))
    assert by_file.ids == tuple(str(folder / name) for name in by_table.ids)
    np.testing.assert_array_equal(by_table.predicted, by_file.predicted)
    said = dict(zip(by_folder.ids, by_folder.predicted[:, 0], strict=True))
    assert len(said) == 30
    np.testing.assert_allclose([said[name] for name in by_file.ids], by_table.predicted[:, 0], rtol=1e-5)
    twice = predict_inputs(ages.path, [folder / "faces", folder / "faces" / "3.png"])
    assert twice.ids == by_folder.ids


def test_a_table_gets_a_row_for_each_of_its_rows(ages: RunFolder) -> None:
    folder, table = ages.path.parent, ages.path.parent / "again.csv"
    table.write_text("file\nfaces/3.png\nfaces/1.png\nfaces/3.png\n")
    found = predict_inputs(ages.path, [table])
    assert found.ids == ("faces/3.png:line 2", "faces/1.png", "faces/3.png:line 4")
    own = predict_inputs(ages.path, [folder / "faces" / "3.png", folder / "faces" / "1.png"]).predicted
    np.testing.assert_allclose(found.predicted, own[[0, 1, 0]], rtol=1e-5)


def with_ids(folder: RunFolder, to: Path) -> Path:
    """Return a copy of a run on a table whose column `name` names its rows."""
    to.mkdir()
    for path in folder.path.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    text = (to / "config.toml").read_text()
    assert 'id = ""' in text
    (to / "config.toml").write_text(text.replace('id = ""', 'id = "name"'))
    return to


def test_ids_are_those_of_the_column_that_the_run_had(ages: RunFolder, vectors: RunFolder, tmp_path: Path) -> None:
    table = ages.path.parent / "named.csv"
    for folder, cells, plain in (
        (ages, "file\nfaces/3.png\nfaces/1.png\n", ("faces/3.png", "faces/1.png")),
        (vectors, "one,two\n1,2\n3,4\n", ("named:line 2", "named:line 3")),
    ):
        run = with_ids(folder, tmp_path / folder.path.name)
        table.write_text(cells)
        assert predict_inputs(run, [table]).ids == plain
        header, *rows = cells.splitlines()
        table.write_text("\n".join([f"name,{header}", f"ann,{rows[0]}", f"ben,{rows[1]}"]) + "\n")
        assert predict_inputs(run, [table]).ids == ("ann", "ben")
        assert predict_inputs(folder.path, [table]).ids == plain
        table.write_text("\n".join([f"name,{header}", f"ann,{rows[0]}", f"ann,{rows[1]}"]) + "\n")
        with pytest.raises(InvalidDataError, match="a name that no other row has"):
            predict_inputs(run, [table])


def test_rows_without_their_image_are_left_out_on_request(ages: RunFolder) -> None:
    table = ages.path.parent / "holes.csv"
    table.write_text("file\nfaces/3.png\nfaces/gone.png\nfaces/1.png\nfaces/3.png\n")
    with pytest.raises(MissingImagesError, match=r"faces/gone\.png[\s\S]*--skip-missing"):
        predict_inputs(ages.path, [table])
    with pytest.warns(UserWarning, match=r"1 of the 4 images of 'holes\.csv': faces/gone\.png"):
        found = predict_inputs(ages.path, [table], skip_missing=True)
    assert found.ids == ("faces/3.png:line 2", "faces/1.png", "faces/3.png:line 5")


def test_a_table_of_images_elsewhere_is_read_as_it_was_trained_on(ages: RunFolder, tmp_path: Path) -> None:
    folder = ages.path.parent
    for path in ages.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text.replace('root = ""', f"root = '{folder.as_posix()}'"))
    table = tmp_path / "moved.csv"
    table.write_text((folder / "ages.csv").read_text())
    predictions, own = (
        predict_inputs(run, [path]) for run, path in ((tmp_path, table), (ages.path, folder / "ages.csv"))
    )
    np.testing.assert_array_equal(predictions.predicted, own.predicted)


def test_what_stands_beside_images_is_left_aside(ages: RunFolder, tmp_path: Path) -> None:
    source = ages.path.parent / "faces" / "1.png"
    (tmp_path / "deeper").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    for name in ("a.PNG", "deeper/b.png"):
        (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._a.png").write_bytes(b"what some systems put beside a file")
    assert predict_inputs(ages.path, [tmp_path]).ids == tuple(
        str(tmp_path / name) for name in ("a.PNG", "deeper/b.png")
    )


def test_an_image_that_cannot_be_read_is_named_and_left_out_on_request(ages: RunFolder, tmp_path: Path) -> None:
    for name, source in (("a.png", "3.png"), ("c.png", "4.png")):
        (tmp_path / name).write_bytes((ages.path.parent / "faces" / source).read_bytes())
    (tmp_path / "b.png").write_bytes(b"not an image")
    message = rf"1 of 3 images in '{re.escape(str(tmp_path))}' cannot be read:\n  b\.png: "
    with pytest.raises(UnreadableImagesError, match=message):
        predict_inputs(ages.path, [tmp_path])
    with pytest.raises(UnreadableImagesError, match=rf"1 of 1 images in '{re.escape(str(tmp_path))}'"):
        predict_inputs(ages.path, [tmp_path / "b.png"])
    with pytest.warns(UserWarning, match=r"b\.png"):
        found = predict_inputs(ages.path, [tmp_path], skip_unreadable=True)
    own = predict_inputs(ages.path, [tmp_path / "a.png", tmp_path / "c.png"])
    assert found.ids == own.ids
    np.testing.assert_array_equal(found.predicted, own.predicted)


@pytest.mark.parametrize("size", [(30, 30), (60, 30), (20, 50)])
def test_landmarks_come_in_pixels_of_the_image_file(
    digits: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    signature = TrainedRun.load(digits.path).signature
    monkeypatch.setattr(trained, "load_network", lambda *_: (constant_network(0.25), signature))
    Image.new("RGB", size, (90, 90, 90)).save(tmp_path / "a.png")
    found = predict_inputs(digits.path, [tmp_path / "a.png"]).predicted.reshape(4, 2)
    fractions = (0.25 + np.arange(8) / 16).reshape(4, 2)
    # The image lies in the middle of a square as wide as its longer side.
    side = max(size)
    np.testing.assert_allclose(found, side * fractions - [(side - size[0]) / 2, (side - size[1]) / 2], rtol=1e-6)


def test_a_point_stays_where_it_is_when_the_image_grows(digits: RunFolder, tmp_path: Path) -> None:
    pixels = np.kron(np.random.default_rng(0).integers(0, 255, (16, 12)), np.ones((2, 2))).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    Image.fromarray(np.kron(pixels, np.ones((4, 4), dtype=np.uint8))).save(tmp_path / "large.png")
    small, large = predict_inputs(digits.path, [tmp_path / "small.png", tmp_path / "large.png"]).predicted
    # The crops differ by what resizing does to sharp edges.
    np.testing.assert_allclose(4 * small, large, atol=3)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["nowhere.png"], InvalidParameterError, "nowhere.png"),
        (["empty"], InvalidParameterError, "image files"),
        (["absent.csv"], MissingImagesError, "gone.png"),
        (["nameless.csv"], InvalidDataError, "file"),
        (["features.npz"], UnreadableImagesError, "features.npz"),
    ],
)
def test_inputs_that_cannot_be_predicted_for_are_named(
    ages: RunFolder, tmp_path: Path, names: list[str], error: type[DeepGUMError], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "absent.csv").write_text("file\ngone.png\n")
    (tmp_path / "nameless.csv").write_text("picture\ngone.png\n")
    np.savez(tmp_path / "features.npz", features=np.zeros((2, 2)))
    with pytest.raises(error, match=re.escape(message)):
        predict_inputs(ages.path, [tmp_path / name for name in names])


# ---- predictions for features


def test_features_come_from_a_table_or_an_archive(vectors: RunFolder, tmp_path: Path) -> None:
    table = vectors.path.parent / "ages.csv"
    by_table = predict_inputs(vectors.path, [table])
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    np.savez(tmp_path / "f.npz", features=np.array([[float(row[2]), float(row[3])] for row in rows]))
    by_archive = predict_inputs(vectors.path, [tmp_path / "f.npz"])
    np.testing.assert_allclose(by_table.predicted, by_archive.predicted, rtol=1e-5)
    assert by_table.ids[0] == "ages:line 2"
    assert by_archive.ids == tuple(f"f:{row}" for row in range(30))
    errors = [abs(said - float(row[1])) for said, row in zip(by_table.predicted[:, 0], rows, strict=True)]
    tested = [error for error, row in zip(errors, rows, strict=True) if row[4] == "test"]
    assert np.mean(tested) == pytest.approx(vectors.metrics().mae, rel=1e-5)


def test_features_of_another_shape_are_refused(vectors: RunFolder, tmp_path: Path) -> None:
    def refused(name: str, message: str, error: type[DeepGUMError] = InvalidDataError) -> None:
        with pytest.raises(error, match=message):
            predict_inputs(vectors.path, [tmp_path / name])

    np.savez(tmp_path / "wide.npz", features=np.zeros((4, 3)))
    refused("wide.npz", r"takes inputs of shape \(2,\)\. Found \(3,\)")
    np.savez(tmp_path / "other.npz", inputs=np.zeros((4, 2)))
    refused("other.npz", "'features'")
    np.savez(tmp_path / "nan.npz", features=np.full((4, 2), np.nan))
    refused("nan.npz", "finite")
    np.savez(tmp_path / "flat.npz", features=np.zeros(4))
    refused("flat.npz", "shape")
    np.savez(tmp_path / "text.npz", features=np.array([["a", "b"]]))
    refused("text.npz", "features")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut short")
    refused("cut.npz", "features")
    np.save(tmp_path / "bare.npy", np.zeros((4, 2)))
    refused("bare.npy", r"one table \(\.csv, .*\) with the columns one, two; or one \.npz", InvalidParameterError)
    (tmp_path / "photo.jpg").write_bytes(b"")
    refused("photo.jpg", r"or one \.npz file with an array 'features'\. Found .*photo", InvalidParameterError)
    (tmp_path / "t.csv").write_text("one,two\n1,2\n3,\n")
    refused("t.csv", r"line 3, column 'two'")
    (tmp_path / "u.csv").write_text("one,three\n1,2\n")
    refused("u.csv", "two")
    (tmp_path / "folder").mkdir()
    refused("folder", r"one table \(", InvalidParameterError)


# ---- the file


def test_predictions_are_written_as_csv_or_parquet_and_nothing_else(vectors: RunFolder, tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    found = predict_inputs(vectors.path, [vectors.path.parent / "ages.csv"])
    for name, read in (("a.csv", pyarrow.csv.read_csv), ("a.parquet", pyarrow.parquet.read_table)):
        found.write(tmp_path / name)
        table = read(tmp_path / name)
        assert table.column_names == ["id", "predicted_age"]
        np.testing.assert_allclose(table.column("predicted_age").to_numpy(), found.predicted[:, 0])
    with pytest.raises(InvalidParameterError, match=r"`out` should be a file that ends in \.csv or \.parquet"):
        found.write(tmp_path / "a.xlsx")
    for name, message in (("a.csv/b.csv", "a folder that can be written to"), ("deep.csv", "It is a folder")):
        (tmp_path / "deep.csv").mkdir(exist_ok=True)
        with pytest.raises(InvalidParameterError, match=message):
            check_file(tmp_path / name)
    (tmp_path / "deep.csv").rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.parquet"]
    assert json.loads((vectors.path / "network.json").read_text())["inputs"] == [2]
