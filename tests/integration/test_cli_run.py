"""`deepgum fit`, `predict`, `evaluate` and `reproduce`, from the command line to the files."""

from __future__ import annotations

import csv
import errno
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

import deepgum.data.sets.base as base
import deepgum.data.sets.fld as fld_module
import deepgum.experiments.paper.compare as compare_module
import deepgum.experiments.paper.scales as scales
import deepgum.experiments.runs.run as run_module
from deepgum.cli import main
from deepgum.data.sets.fld import BOX_LIST, LANDMARK_LIST
from deepgum.data.sets.lfw_net import TEST_LIST, TRAIN_LIST
from deepgum.experiments.paper.scales import Scale
from deepgum.experiments.runs.config import ModelConfig
from deepgum.report.paper.published import FIGURE4, TABLE1, TABLE2
from deepgum.training import SGDOptions

pytestmark = pytest.mark.usefixtures("gaussian_file")

CONFIG = """
[data]
name = "digits"
image_size = 16
train_size = 24
validation_size = 12
test_size = 15

[corruption]
noise = "l-ugo"
rate = 0.5

[training]
epochs_max = 1
patience = 1
"""
QUICK = SGDOptions(epochs_max=1, patience=1, batch_size=8)
TINY = Scale(
    images=ModelConfig("facenet"),
    image_size=16,
    features=ModelConfig("mlp"),
    sgd=QUICK,
    features_sgd=QUICK,
    faces=ModelConfig("facenet"),
    faces_size=16,
    faces_sgd=QUICK,
)


def deepgum(*arguments: Any) -> Any:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def done(*arguments: Any) -> str:
    result = deepgum(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the file of a run and its folder."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "run.toml").write_text(CONFIG)
    text = done("fit", folder / "run.toml", "--out", folder / "run", "--threads", 1)
    assert "DeepGUM on digits, 15 test samples" in text
    assert f"deepgum predict {folder / 'run'}" in text.replace("\n", "")
    return folder / "run.toml", folder / "run"


def no_training(*_: Any, **__: Any) -> None:
    raise AssertionError("It was trained.")


# ---- one run


def test_fit_makes_a_folder_with_pictures(digits: tuple[Path, Path]) -> None:
    names = {path.name for path in digits[1].iterdir()}
    tables = {"config.toml", "environment.json", "history.jsonl", "metrics.json", "posteriors.parquet"}
    assert tables | {"predictions.parquet", "weights.safetensors"} <= names
    assert {f"{name}.{kind}" for name in ("history", "posteriors", "predictions") for kind in ("png", "svg")} <= names


@pytest.mark.usefixtures("no_pictures")
def test_fit_does_not_train_what_is_finished(digits: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "train_method", no_training)
    assert "DeepGUM on digits" in done("fit", digits[0], "--out", digits[1])
    other = deepgum("fit", digits[0], "--out", digits[1], "--set", "training.patience=7")
    assert other.exit_code == 2
    assert "training.patience = 1 there and 7 here" in other.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.patiense=3"], "Did you mean 'patience'?"),
        (["training.patience=0"], "`training.patience` should be a whole number of at least 1"),
        (["method.name=biwieght"], "Did you mean 'biweight'?"),
        (["model.frozen=layer"], "`model.frozen` should be a module of FaceNet"),
        (["data.name=utkface"], "`data.folder` should be the folder"),
        (["patience"], "'section.key=value'"),
    ],
)
def test_a_mistake_in_a_run_is_one_message(
    digits: tuple[Path, Path], tmp_path: Path, changes: list[str], message: str
) -> None:
    settings = [part for change in changes for part in ("--set", change)]
    result = deepgum("fit", digits[0], "--out", tmp_path / "out", *settings)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_predict_writes_a_table(digits: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, size in (("a.png", (30, 20)), ("b.jpg", (20, 20))):
        Image.new("RGB", size, (90, 90, 90)).save(tmp_path / "photos" / name)
    assert "Written" in done("predict", digits[1], tmp_path / "photos", "--out", tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["id"]).name for row in rows] == ["a.png", "b.jpg"]
    assert len(rows[0]) == 9
    done("predict", digits[1], tmp_path / "photos", "--out", tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    assert float(rows[0]["predicted_top_left_x"]) == pytest.approx(table.column("predicted_top_left_x")[0].as_py())

    (tmp_path / "photos" / "c.png").write_bytes(b"not an image")
    refused = deepgum("predict", digits[1], tmp_path / "photos", "--out", tmp_path / "q.csv")
    assert refused.exit_code == 2
    assert "c.png" in refused.stderr
    assert not (tmp_path / "q.csv").exists()
    skipped = done("predict", digits[1], tmp_path / "photos", "--out", tmp_path / "q.csv", "--skip-unreadable")
    assert "c.png" in skipped.replace("\n", "")
    assert (tmp_path / "q.csv").read_text() == (tmp_path / "p.csv").read_text()


def test_predict_refuses_a_wrong_ending_before_any_work(tmp_path: Path) -> None:
    # There is no such run, either: the ending is looked at first.
    result = deepgum("predict", tmp_path / "nothing", tmp_path, "--out", tmp_path / "p.xlsx")
    assert result.exit_code == 2
    assert "a file that ends in .csv or .parquet" in result.stderr


def test_evaluate_says_what_the_metrics_say(digits: tuple[Path, Path]) -> None:
    metrics = json.loads((digits[1] / "metrics.json").read_text())
    text = done("evaluate", digits[1])
    assert "digits, 15 test samples" in text
    assert f"{metrics['mae']:.4g} of the side" in text
    assert f"{metrics['rmse']:.4g} of the side" in text
    assert "digits, 24 train samples" in done("evaluate", digits[1], "--part", "train")
    assert "Did you mean 'test'?" in deepgum("evaluate", digits[1], "--part", "tset").stderr


@pytest.fixture
def features(tmp_path: Path, no_pictures: None) -> tuple[Path, Path]:
    """Return a table of features and a run on it."""
    table, rng = tmp_path / "rents.csv", np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{10 * a:.3f},train" for a, b in rng.uniform(0, 9, (40, 2))]
    table.write_text(
        "a,b,rent,part\n"
        + "\n".join(row.replace("train", "test") if i % 4 else row for i, row in enumerate(rows))
        + "\n"
    )
    lines = [
        f"[data]\nname = 'csv'\nfolder = '{table.as_posix()}'",
        "options = { features = ['a', 'b'], targets = ['rent'], part = 'part' }",
        "[model]\nname = 'mlp'\n[method]\nname = 'l2'\n[training]\nepochs_max = 1",
    ]
    (tmp_path / "rents.toml").write_text("\n".join(lines))
    shown = done("fit", tmp_path / "rents.toml", "--out", tmp_path / "rents", "--threads", 1)
    assert f"deepgum predict {tmp_path / 'rents'} TABLE --out" in shown.replace("\n", "")
    return table, tmp_path / "rents"


def test_a_table_of_tests_is_scored_whole(features: tuple[Path, Path]) -> None:
    table, run = features
    assert "table, 30 test samples" in " ".join(done("evaluate", run).split())
    table.write_text("a,b,rent\n1,2,10\n2,3,20\n")
    assert "table, 2 samples" in " ".join(done("evaluate", run, "--data", table).split())
    missing = deepgum("evaluate", run, "--data", table.parent / "nowhere.csv")
    assert missing.exit_code == 2
    assert "`--data` should be" in missing.stderr


@pytest.mark.usefixtures("no_pictures")
def test_the_command_that_comes_next_names_what_the_run_takes(digits: tuple[Path, Path], tmp_path: Path) -> None:
    shown = done("fit", digits[0], "--out", digits[1])
    assert f"deepgum predict {digits[1]} IMAGES --out" in shown.replace("\n", "")
    rng = np.random.default_rng(0)
    for name in ("biwi_train", "biwi_test"):
        np.savez(tmp_path / f"{name}.npz", features=rng.random((40, 4), np.float32), poses=rng.uniform(-9, 9, (40, 3)))
    lines = ["[data]", "name = 'head-pose'", f"folder = '{tmp_path.as_posix()}'", "[model]", "name = 'mlp'"]
    (tmp_path / "poses.toml").write_text("\n".join([*lines, "[method]", "name = 'l2'", "[training]", "epochs_max = 1"]))
    shown = done("fit", tmp_path / "poses.toml", "--out", tmp_path / "poses", "--threads", 1)
    assert f"deepgum predict {tmp_path / 'poses'} FEATURES.npz --out" in shown.replace("\n", "")


def test_spoilt_examples_do_not_hide_the_scores(digits: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for path in digits[1].iterdir():
        (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "run" / "examples.npz").write_bytes(b"PK\x03\x04 cut short")
    shown = done("fit", digits[0], "--out", tmp_path / "run")
    assert "DeepGUM on digits, 15 test samples" in shown
    assert "Its images are not drawn" in " ".join(shown.split())


def test_an_output_that_cannot_be_used_is_one_message(
    digits: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    for command in (
        ("fit", digits[0], "--out", tmp_path / "file" / "run"),
        ("reproduce", "figure2", "--out", tmp_path / "file" / "paper"),
        ("predict", tmp_path / "no run", tmp_path, "--out", tmp_path / "file" / "p.csv"),
        ("predict", tmp_path / "no run", tmp_path, "--out", tmp_path / "folder.csv"),
    ):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        result = deepgum(*command)
        assert result.exit_code == 2, command
        assert result.stderr.startswith("Error: "), command
        assert str(tmp_path) in result.stderr
    # A full disk: the system names no file, so the message has to.
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("deepgum.storage.table_file.pyarrow.csv.CSVWriter", full)
    result = deepgum("predict", digits[1], tmp_path / "a.png", "--out", tmp_path / "new" / "p.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: The disk of '{tmp_path / 'new'}' should hold room for 'p.csv'.")
    assert not list((tmp_path / "new").iterdir())


def test_predict_leaves_rows_without_an_image_out_on_request(digits: tuple[Path, Path], tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("image\na.png\nb.png\na.png\n")
    refused = deepgum("predict", digits[1], tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    assert refused.exit_code == 2
    assert "--skip-missing" in refused.stderr
    assert "b.png" in done("predict", digits[1], tmp_path / "t.csv", "--out", tmp_path / "p.csv", "--skip-missing")
    with open(tmp_path / "p.csv", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a.png:line 2", "a.png:line 4"]


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_an_unfinished_run_is_refused(tmp_path: Path, command: str) -> None:
    inputs = [tmp_path, "--out", tmp_path / "p.csv"] if command == "predict" else []
    result = deepgum(command, tmp_path, *inputs)
    assert result.exit_code == 2
    assert "should be the folder of a finished run" in result.stderr


# ---- the paper's tables and figures, on tiny sets at a tiny scale


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scales, "SCALES", {**scales.SCALES, "cpu": TINY})
    # FLD asks for 5,000 images of each; a quarter of these few will do.
    original = base.split_sizes

    def smaller(n: int, validation: int, test: int, *rest: Any, **settings: Any) -> Any:
        return original(n, min(validation, n // 4), min(test, n // 4), *rest, **settings)

    for module in (base, fld_module):
        monkeypatch.setattr(module, "split_sizes", smaller)


def written(out: Path, *names: str) -> str:
    """Assert that these files are there and not empty, and return the first as text."""
    for name in names:
        assert (out / name).stat().st_size > 0, name
    return (out / names[0]).read_text()


def columns(text: str) -> list[dict[str, str]]:
    """Return the rows of a Markdown table by header."""
    lines = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(lines[0], row, strict=True)) for row in lines[2:]]


def check_published(text: str, table: Any, trained: set[str]) -> None:
    """Assert that the paper's values stand in the columns that say they are published, ours in the others."""
    rows = columns(text)
    published = [header for header in rows[0] if "published" in header]
    own = [header for header in rows[0] if "published" not in header and header != "method"]
    assert published
    assert own
    by_method = {row["method"]: row for row in rows}
    for row in table.rows:
        printed = {f"{value.value:.2f}" for value in row.values if value is not None}
        base = row.name.split(" [")[0].strip("$").replace("_", "")
        # "DeepGUM (alternate)" stands beside the paper's DeepGUM.
        label = next((name for name in by_method if name.split(" (")[0] == base), None)
        if label is None:
            continue
        shown = " ".join(by_method[label][header] for header in published)
        ours = " ".join(by_method[label][header] for header in own)
        assert any(value in shown for value in printed), (row.name, shown)
        assert not any(re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", ours) for value in printed), (row.name, ours)
        assert bool(re.search(r"\d", ours)) == (row.method in trained), row.name


@pytest.fixture
def fld(tmp_path: Path) -> Path:
    root, rng = tmp_path / "data" / "fashion", np.random.default_rng(0)
    lines, boxes = [], []
    (root / "img").mkdir(parents=True)
    for index in range(32):
        name = f"img/img_{index + 1:08d}.jpg"
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(root / name)
        points = " ".join(f"0 {x:03d} {y:03d}" for x, y in rng.integers(4, 36, (6, 2)))
        lines.append(f"{name}  1 3 {points} ")
        boxes.append(f"{name} 002 002 038 038")
    for file, body in ((LANDMARK_LIST, lines), (BOX_LIST, boxes)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\r\n".join([str(len(body)), "image_name ...", *body]) + "\r\n")
    return tmp_path / "data"


@pytest.mark.usefixtures("tiny")
def test_table_1_and_then_figure_3_without_a_training(
    fld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shown = done("reproduce", "table1", "--data", fld, "--out", out)
    text = written(out, "table1.md", "table1.tex")
    check_published(text, TABLE1, {"l2", "huber", "biweight", "deepgum"})
    l2 = next(row for row in columns(text) if row["method"] == "L2")
    assert [value for header, value in l2.items() if "published" in header and header.endswith("Avg.")] == ["15.80"]
    assert "15.80" not in [value for header, value in l2.items() if "published" not in header]
    assert "15.80" in shown
    assert "15.80" in (out / "table1.tex").read_text()
    # The scale's name and what it changes, and where the errors come from.
    assert "cpu" in text
    assert re.search(r"image size 224 → 16", text)
    assert "here (fld)" in (out / "table1.tex").read_text()
    # Ours is the mean of the landmarks' columns.
    ours = [float(l2[name].strip("*\\")) for name in ("LC", "RC", "LS", "RS", "LH", "RH")]
    assert float(l2["Avg."].strip("*\\")) == pytest.approx(np.mean(ours), abs=0.01)
    assert len(list(out.glob("runs/*/metrics.json"))) == 4

    monkeypatch.setattr(run_module, "train_method", no_training)
    done("reproduce", "figure3", "--data", fld, "--out", out)
    written(out, "figure3.svg", "figure3.png")
    assert (out / "table1.md").read_text() == text
    # Another method's, if asked for.
    done("reproduce", "figure3", "--data", fld, "--out", out, "--methods", "huber")


@pytest.mark.usefixtures("tiny")
def test_table_2_on_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("biwi_train", 50), ("biwi_test", 20)):
        np.savez(tmp_path / f"{name}.npz", features=rng.random((n, 4), np.float32), poses=rng.uniform(-9, 9, (n, 3)))
    out = tmp_path / "out"
    done("reproduce", "table2", "--data", tmp_path, "--out", out, "--methods", "l2,huber", "--rate", "0,0.3", "--holm")
    for name in ("table2", "table2-uniform30"):
        text = written(out, f"{name}.md", f"{name}.tex")
        check_published(text, TABLE2, {"l2", "huber"})
        l2 = next(row for row in columns(text) if row["method"] == "L2")
        assert any("8.60 ± 1.18" in value for header, value in l2.items() if "published" in header)
        assert "±" in l2["MAE"]
        assert ("30 % of the training and validation labels" in text) == name.endswith("30")
    assert len(list(out.glob("runs/*/metrics.json"))) == 28


@pytest.fixture
def utkface(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "data" / "utkface", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for index in range(60):
        age = int(rng.integers(5, 90))
        pixels = np.clip(rng.normal(2 * age, 10, (20, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{age}_0_1_2017{index:04d}.jpg.chip.jpg", format="JPEG", quality=95)
    return tmp_path / "data"


@pytest.mark.usefixtures("tiny")
def test_figure_4_has_a_table_and_a_gallery(utkface: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done("reproduce", "figure4", "--data", utkface, "--out", out, "--rate", "0.3", "--seed", "0")
    text = written(out, "figure4-uniform30.md", "figure4-uniform30.tex")
    check_published(text, FIGURE4, {"l2", "huber", "biweight", "dex", "dexgum", "deepgum"})
    rows = columns(text)
    assert {"L2", "Huber", "Biweight", "Dex", "DexGUM", "DeepGUM (alternate)"} <= {row["method"] for row in rows}
    assert "UTKFace" in text or "utkface" in text
    flagged = [path for path in out.glob("runs/*_deepgum-alternate_*/examples.npz")]
    with np.load(flagged[0]) as examples:
        doubted = int((examples["responsibilities"] < 0.5).sum())
    if doubted:
        written(out, "figure4-uniform30.svg", "figure4-uniform30.png")
    assert not (out / "figure4.md").exists()


@pytest.mark.usefixtures("tiny")
def test_figure_5_draws_curves_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, rng = tmp_path / "faces", np.random.default_rng(0)
    for list_name, count in ((TRAIN_LIST, 40), (TEST_LIST, 6)):
        lines = []
        for index in range(count):
            name = f"{list_name[:4]}_folder\\{index:04d}.jpg"
            path = root / name.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)).save(path)
            lines.append(f"{name} 10 50 10 50 " + " ".join(f"{value:.6f}" for value in rng.uniform(15, 45, 10)))
        (root / list_name).write_text("".join(f"{line}\r\n" for line in lines))
    out = tmp_path / "out"
    command = ["reproduce", "figure5", "--data", root, "--out", out, "--rate", "0,0.4", "--methods", "l2,oracle"]
    done(*command, "--noise", "g-ugo,ngo")
    text = written(out, "figure5-g-ugo.md", "figure5-g-ugo.tex", "figure5.png", "figure5.svg", "figure5-ngo.md")
    assert "40 % wrong" in text
    assert "prints no numbers" in text
    monkeypatch.setattr(compare_module, "train_method", no_training)
    done(*command, "--noise", "g-ugo,ngo")


def test_figure_2_needs_no_data(tmp_path: Path) -> None:
    done("reproduce", "figure2", "--out", tmp_path)
    written(tmp_path, "figure2.svg", "figure2.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel1"], "Did you mean 'table1'?"),
        (["table1"], "`--data` should be a folder with fld"),
        (["table1", "--data", "."], "a folder with the data set 'fld'"),
        (["table2", "--dataset", "fld", "--data", "."], "'mcgill', 'head-pose'"),
        (["table1", "--scale", "gpu", "--data", "."], "`--scale` should be one of 'paper', 'cpu'"),
        (["table1", "--rate", "many", "--data", "."], "numbers separated by commas"),
        (["table1", "--precision", "bf8", "--data", "."], "'bf16'"),
    ],
)
def test_a_mistake_in_what_to_reproduce_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = deepgum("reproduce", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "l2,biwieght"], "Did you mean 'biweight'?"),
        (["--rate", "30"], "should be a number in [0, 1]"),
        (["--clothes", "uper"], "Did you mean 'upper'?"),
        (["--scale", "paper"], "`--weights` should be a file of VGG-16's pretrained weights"),
        (["--scale", "paper", "--weights", "nowhere.pth"], "nowhere.pth"),
        (["--device", "cuda:99"], "an available device"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_a_mistake_in_how_to_reproduce_leaves_nothing_behind(
    fld: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = deepgum("reproduce", "table1", "--data", fld, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("seed=9200000000000001", "seed"),
        ("seed=18446744073709551616", "seed"),
        (f"seed={'9' * 5000}", "set"),
        (f"seed={'[' * 5000}", "set"),
        ("training.epochs_max=9223372036854775808", "epochs_max"),
        ("training.batch_size=9223372036854775808", "batch_size"),
        ("training.weight_decay=1.7e308", "weight_decay"),
        ("training.learning_rate=1e300", "learning_rate"),
        ("method.schedule.widening=1e300", "widening"),
        ("method.mixture.uniform=-1e308", "uniform"),
        ("method.options.cauchy_scale=1e-300", "cauchy_scale"),
    ],
    ids=lambda value: value[:40],
)
def test_a_number_without_a_result_is_refused_before_any_work(tmp_path: Path, change: str, named: str) -> None:
    (tmp_path / "run.toml").write_text('[data]\nname = "digits"\n')
    command = ["fit", str(tmp_path / "run.toml"), "--out", str(tmp_path / "run"), "--set", change]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2, result.output
    assert f"{named}` should be" in result.stderr
    assert not (tmp_path / "run").exists()
