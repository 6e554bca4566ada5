"""Labels that are not there, from a table's empty cells and a data set's marks to the last table and picture."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from deepgum.cli import main
from deepgum.data.sets.fld import BOX_LIST, LANDMARK_LIST
from deepgum.errors import IdentifiabilityWarning
from deepgum.experiments.paper.records import read_records
from deepgum.experiments.paper.reproduce import make_plan, run_all
from deepgum.experiments.paper.scales import SCALES
from deepgum.experiments.runs.config import ModelConfig
from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Posteriors, Predictions
from deepgum.report.paper.reproduction import render
from deepgum.training import SGDOptions

pytestmark = pytest.mark.usefixtures("gaussian_file")

TARGETS = ("y0", "y1", "y2")
PARTS = ["train"] * 70 + ["val"] * 20 + ["test"] * 20
# The first row of each part has no label at all; no row for validation has a y2.
UNLABELLED = {"train": 0, "val": 70, "test": 90}


@pytest.fixture(autouse=True)
def every_warning_is_an_error() -> Iterator[None]:
    """But for the mixture's: these networks of a few epochs are no good."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        yield


def labels() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(110, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[list(UNLABELLED.values())] = np.nan
    values[70:90, 2] = np.nan
    return values


def write_table(path: Path, values: NDArray[np.float64]) -> Path:
    rng = np.random.default_rng(1)
    lines = ["a,b,y0,y1,y2,split"]
    for row, part in zip(values, PARTS, strict=True):
        inputs = ",".join(f"{x:.6f}" for x in rng.normal(size=2))
        lines.append(f"{inputs},{','.join('' if np.isnan(y) else f'{y:.6f}' for y in row)},{part}")
    path.write_text("\n".join(lines) + "\n")
    return path


def configure(folder: Path, table: Path, method: str) -> Path:
    groups = "sample" if method == "biweight" else "coordinate"
    file = folder / f"{method}.toml"
    file.write_text(
        f"""
[data]
name = "table"
folder = "{table}"
options = {{ targets = {list(TARGETS)}, features = ["a", "b"], part = "split" }}
[model]
name = "mlp"
[method]
name = "{method}"
groups = "{groups}"
[training]
epochs_max = 7
patience = 3
"""
    )
    return file


def deepgum(*arguments: Any) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments), "--threads", "1"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("method", ["deepgum", "deepgum-paper", "biweight", "l1", "oracle"])
def test_a_table_with_empty_cells_is_fitted_and_scored_by_what_is_there(tmp_path: Path, method: str) -> None:
    values = labels()
    table, out = write_table(tmp_path / "t.csv", values), tmp_path / "run"
    done = deepgum("fit", configure(tmp_path, table, method), "--out", out)
    assert done.exit_code == 0, done.output
    predictions = Predictions.read(out / "predictions.parquet")
    assert predictions.ids == tuple(f"t:line {line}" for line in range(92, 112))
    assert np.isfinite(predictions.predicted).all()
    np.testing.assert_allclose(predictions.labels, values[90:], atol=1e-6)
    off = np.abs(predictions.predicted - values[90:])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["mae"] == pytest.approx(np.nanmean(off), abs=1e-5)
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.nanmean(off**2)), abs=1e-5)
    assert list(metrics["each"].values()) == pytest.approx(np.nanmean(off, axis=0).tolist(), abs=1e-5)
    rows = pq.read_table(out / "posteriors.parquet").to_pylist()
    seen = ~np.isnan(values[:70])
    known = (seen.any(axis=1, keepdims=True) if method == "biweight" else seen).ravel()
    assert [row["residual_norm"] is not None for row in rows] == known.tolist()
    for column in ("responsibility", "flagged"):
        assert not any(row[column] is not None for row, label in zip(rows, known, strict=True) if not label)
    if method.startswith("deepgum"):
        assert all(row["responsibility"] is not None for row, label in zip(rows, known, strict=True) if label)
    assert metrics["flagged"] is None or metrics["flagged"] == pytest.approx(
        np.mean([row["flagged"] for row, label in zip(rows, known, strict=True) if label])
    )
    assert (out / "history.png").is_file()
    # No label is asked for where none is used, and a score of nothing is no score.
    again = deepgum("predict", out, table, "--out", tmp_path / "all.csv")
    assert again.exit_code == 0, again.output
    assert pyarrow.csv.read_csv(tmp_path / "all.csv").num_rows == 110
    validated = deepgum("evaluate", out, "--part", "validation")
    assert validated.exit_code == 0, validated.output
    assert next(line.split()[-1] for line in validated.output.splitlines() if "MAE, y2" in line) == "-"


@pytest.mark.usefixtures("no_pictures")
def test_labels_that_are_nowhere_are_no_score(tmp_path: Path) -> None:
    values = labels()
    values[90:] = np.nan
    table, out = write_table(tmp_path / "t.csv", values), tmp_path / "run"
    done = deepgum("fit", configure(tmp_path, table, "l1"), "--out", out)
    assert done.exit_code == 0, done.output
    # What `json` writes for NaN is no JSON.
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (metrics["mae"], metrics["rmse"], metrics["each"]) == (None, None, dict.fromkeys(TARGETS))
    assert np.isfinite(Predictions.read(out / "predictions.parquet").predicted).all()
    refused = deepgum("evaluate", out)
    assert refused.exit_code == 2
    assert "should have labels" in refused.output


def test_a_coordinate_without_any_training_label_is_refused_before_any_training(tmp_path: Path) -> None:
    values = labels()
    values[:70, 1] = np.nan
    table = write_table(tmp_path / "t.csv", values)
    refused = deepgum("fit", configure(tmp_path, table, "deepgum"), "--out", tmp_path / "run")
    assert refused.exit_code == 2
    assert "y1" in refused.output
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_pictures")
def test_ages_that_are_missing_are_neither_classes_nor_outliers(tmp_path: Path) -> None:
    ages = np.round(40 + 10 * labels())
    table, out = write_table(tmp_path / "t.csv", ages), tmp_path / "run"
    config = configure(tmp_path, table, "dexgum")
    config.write_text(config.read_text().replace(str(list(TARGETS)), '["y0"]'))
    done = deepgum("fit", config, "--out", out)
    assert done.exit_code == 0, done.output
    posteriors = Posteriors.read(out / "posteriors.parquet")
    np.testing.assert_array_equal(posteriors.observed[:, 0], ~np.isnan(ages[:70, 0]))
    assert np.isfinite(Predictions.read(out / "predictions.parquet").predicted).all()


DIGITS = ["--dataset", "digits", "--image-size", 16, "--train-size", 40, "--validation-size", 20]
DIGITS += ["--epochs-max", 6, "--patience", 2, "--rate", 0.3]


def test_labels_are_deleted_on_top_of_the_noise(tmp_path: Path) -> None:
    out, methods = tmp_path / "less", ("huber", "deepgum", "oracle")
    command = ["compare", *DIGITS, "--missing", 0.2, "--methods", ",".join(methods), "--out", out]
    done = deepgum(*command)
    assert done.exit_code == 0, done.output
    assert "20 % of labels deleted" in done.output
    records = read_records([out])
    assert [(record.method, record.missing) for record in records] == [(method, 0.2) for method in methods]
    for record in records:
        found = Posteriors.read(out / str(record.posteriors))
        assert (~found.observed).sum() == round(0.2 * 160)
        assert found.true_outliers is not None
        assert not found.true_outliers[~found.observed].any()
        if found.responsibilities is not None:
            np.testing.assert_array_equal(np.isnan(found.responsibilities), ~found.observed)
    # Done as it is, and another experiment with another share.
    assert "3 of them already finished" in deepgum(*command).output
    other = deepgum(*[0.3 if value == 0.2 else value for value in command])
    assert other.exit_code == 2
    # Runs of several shares are not one figure.
    assert deepgum("compare", *DIGITS, "--methods", "huber", "--out", tmp_path / "whole").exit_code == 0
    both = CliRunner().invoke(main, ["plot", str(out), str(tmp_path / "whole"), "--out", str(tmp_path / "figure")])
    assert both.exit_code == 2
    assert "missing" in both.output
    assert CliRunner().invoke(main, ["plot", str(out), "--out", str(tmp_path / "figure")]).exit_code == 0


def test_pictures_show_what_the_network_says_where_no_label_is(tmp_path: Path) -> None:
    config = tmp_path / "digits.toml"
    config.write_text(
        """
[data]
name = "digits"
image_size = 16
train_size = 60
validation_size = 20
test_size = 20
[corruption]
noise = "l-ugo"
rate = 0.3
missing = 0.4
[training]
epochs_max = 7
"""
    )
    out = tmp_path / "run"
    done = deepgum("fit", config, "--out", out)
    assert done.exit_code == 0, done.output
    examples = Examples.read(out / "examples.npz")
    assert np.isnan(examples.given).any()
    assert np.isfinite(examples.predicted).all()
    # The sample whose every label is gone is the last that anyone would suspect.
    posteriors = Posteriors.read(out / "posteriors.parquet")
    unlabelled = [name for name, seen in zip(posteriors.sample_ids, posteriors.observed, strict=True) if not seen.any()]
    assert unlabelled
    flagged = int((examples.responsibilities < 0.5).sum())
    assert not set(unlabelled) & set(examples.suspect_ids[:flagged])
    assert (out / "predictions.png").is_file()


@pytest.fixture
def clothes(tmp_path: Path) -> Path:
    """Forty upper bodies; of each landmark some are occluded (1) or cut off (2)."""
    root, rng = tmp_path / "fld", np.random.default_rng(0)
    lines, boxes = [], []
    for index in range(40):
        name = f"img/img_{index + 1:08d}.jpg"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
        points = [f"{rng.choice([0, 0, 1, 2])} {rng.integers(3, 17):03d} {rng.integers(3, 17):03d}" for _ in range(6)]
        lines.append(f"{name} 1 1 {' '.join(points)}")
        boxes.append(f"{name} 002 002 018 018")
    for file, body in ((LANDMARK_LIST, lines), (BOX_LIST, boxes)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\n".join([str(len(body)), "image_name ...", *body]) + "\n")
    return root


def test_table_1_is_of_the_landmarks_that_can_be_seen(tmp_path: Path, clothes: Path) -> None:
    scale = replace(
        SCALES["cpu"], images=ModelConfig("facenet"), image_size=16, sgd=SGDOptions(epochs_max=6), train_sizes={}
    )
    plan = make_plan("table1", "fld", clothes, scale, methods=("l1", "deepgum"), cache_dir=tmp_path / "cache")
    sized = [replace(run, data=replace(run.data, validation_size=8, test_size=8)) for run in plan.runs]
    plan = replace(plan, runs=tuple(sized))
    folders = run_all([plan], tmp_path)
    table = render(plan, folders, tmp_path / "made", "cpu").table
    assert table is not None
    ours = [row for row in table.rows if row.cells[0].value is not None]
    assert len(ours) == 2
    for row, run in zip(ours, plan.runs, strict=True):
        predictions = Predictions.read(RunFolder(folders[run.digest].path).predictions)
        seen = ~np.isnan(predictions.labels).reshape(8, 6, 2).any(axis=2)
        assert not seen.all()
        off = np.linalg.norm((predictions.predicted - predictions.labels).reshape(8, 6, 2), axis=2)
        means = [off[seen[:, i], i].mean() for i in range(6)]
        assert [cell.value for cell in row.cells[:6]] == pytest.approx(means)
        assert row.cells[6].value == pytest.approx(np.mean(means))
    assert f"test landmarks {seen.sum()}" in " ".join(table.notes)
    figure3 = replace(plan, artefact="figure3")
    assert all(file.is_file() for file in render(figure3, folders, tmp_path / "made", "cpu").files)
