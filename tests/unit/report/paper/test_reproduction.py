"""The paper's tables and figures from the folders of finished runs, written here without any training."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgum.data.sets.fld import LANDMARKS
from deepgum.experiments.paper.records import RunRecord
from deepgum.experiments.paper.reproduce import Plan, make_plan
from deepgum.experiments.paper.scales import SCALES, Scale
from deepgum.experiments.runs.config import ModelConfig
from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.metrics import Metrics
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Predictions
from deepgum.report.paper.reproduction import render, render_figure5
from deepgum.training import SGDOptions

QUICK = SGDOptions(epochs_max=1, patience=1)
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
UPPER = [f"{name}_{axis}" for name in LANDMARKS["upper"] for axis in "xy"]
METRICS = Metrics(
    dataset="",
    method="",
    noise="uniform",
    rate=0.0,
    seed=0,
    fold=None,
    unit="px of 224",
    factor=224.0,
    mae=1.0,
    rmse=1.0,
    each={},
    failure_rate=None,
    nme=None,
    precision=None,
    recall=None,
    average_precision=None,
    recall_moved=None,
    flagged=None,
    epochs=1,
    rounds=0,
    seconds=1.0,
    train_size=1234,
    validation_size=56,
    test_size=20,
    version="0",
    key="",
)


def finished(plan: Plan, out: Path, errors: dict[str, Any], names: list[str], doubted: int = 3) -> Any:
    """Write the folders of a plan, each method's errors as given; return them by digest."""
    folders = {}
    landmarks = len(names) > 3
    for run in plan.runs:
        folder = RunFolder(out / "runs" / run.stem)
        folder.claim()
        off = np.asarray(errors[run.method.name], dtype=float)
        n, d = len(off), len(names)
        labels = np.random.default_rng(run.seed).uniform(0, 224, (n, d))
        moves = np.zeros((n, d))
        moves[:, :: 2 if landmarks else 1] = off
        predictions = Predictions(tuple(f"image {row}" for row in range(n)), tuple(names), labels + moves, labels)
        predictions.write(folder.predictions)
        factor = 224.0 if landmarks else 1.0
        Examples(
            suspects=np.zeros((5, 3, 16, 16), dtype=np.uint8),
            suspect_ids=tuple("abcde"),
            given=labels[:5] / factor,
            predicted=labels[:5] / factor,
            responsibilities=np.where(np.arange(5) < doubted, 0.01, 0.9),
            tests=np.zeros((5, 3, 16, 16), dtype=np.uint8),
            test_predicted=labels[:5] / factor,
            test_labels=labels[:5] / factor,
        ).write(folder.examples)
        each = predictions.each(landmarks=landmarks)
        mixture = "gum" in run.method.name
        folder.finish(
            replace(METRICS, method=run.method.name, each=each, factor=factor, flagged=0.07 if mixture else None)
        )
        folders[run.digest] = folder
    return folders


def fld_plan(**settings: Any) -> Plan:
    return make_plan("table1", "fld", Path("fld"), TINY, **settings)


def table_of(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    rows = [
        [cell.strip(" *\\") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in path.read_text().splitlines()
        if line.startswith("|")
    ]
    return rows[0], {row[0]: row[1:] for row in rows[2:]}


def fld_errors(n: int = 20) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    means = {"l2": 9.0, "huber": 8.0, "biweight": 7.0, "deepgum-alternate": 2.0}
    return {method: mean + rng.uniform(-1, 1, (n, 6)) for method, mean in means.items()}


def test_table_1_has_our_errors_and_the_papers(tmp_path: Path) -> None:
    plan, errors = fld_plan(), fld_errors()
    rendered = render(plan, finished(plan, tmp_path, errors, UPPER), tmp_path, "cpu")
    assert rendered.files == (tmp_path / "table1.md", tmp_path / "table1.tex")
    headers, rows = table_of(tmp_path / "table1.md")
    own = {method: [float(value.rstrip("*\\")) for value in rows[label][:7]] for method, label in LABELS.items()}
    for method, values in own.items():
        np.testing.assert_allclose(values[:6], errors[method].mean(axis=0), atol=0.006)
        assert values[6] == pytest.approx(errors[method].mean(), abs=0.006)
    assert headers[1:9] == ["LC", "RC", "LS", "RS", "LH", "RH", "Avg.", "failures (%)"]
    assert all("published" in header for header in headers[9:])
    assert rows["L2"][-1] == "15.80"
    assert rows["DeepGUM (alternate)"][-1].startswith("15.63")
    text = (tmp_path / "table1.md").read_text()
    assert "1,234" in text
    assert "vgg16 → facenet" in text
    assert f"224 → {TINY.image_size}" in text
    assert "15.63" in (tmp_path / "table1.tex").read_text()


LABELS = {"l2": "L2", "huber": "Huber", "biweight": "Biweight", "deepgum-alternate": "DeepGUM (alternate)"}


def test_failures_of_table_1_are_farther_than_5_percent_of_224_pixels(tmp_path: Path) -> None:
    plan, errors = fld_plan(methods=("l2",)), {"l2": np.full((20, 6), 11.0)}
    errors["l2"][:5] = 11.4
    render(plan, finished(plan, tmp_path, errors, UPPER), tmp_path, "cpu")
    headers, rows = table_of(tmp_path / "table1.md")
    assert rows["L2"][headers.index("failures (%)") - 1] == "25.0"
    assert "11.2 pixels" in (tmp_path / "table1.md").read_text()


def test_every_seed_has_a_table_of_its_own(tmp_path: Path) -> None:
    for seed, name in ((0, "table1.md"), (4, "table1-seed4.md")):
        plan = fld_plan(methods=("l2",), seed=seed)
        render(plan, finished(plan, tmp_path, {"l2": np.full((20, 6), 4.0)}, UPPER), tmp_path, "cpu")
        text = (tmp_path / name).read_text()
        assert "test images 20" in text
        assert f"seed {seed}" in text


@pytest.mark.parametrize(
    ("rate", "clothes", "name"), [(0.3, "upper", "table1-uniform30"), (0.0, "lower", "table1-lower")]
)
def test_conditions_have_files_of_their_own(tmp_path: Path, rate: float, clothes: str, name: str) -> None:
    plan = fld_plan(methods=("l2",), rate=rate, clothes=clothes)
    names = [f"{landmark}_{axis}" for landmark in LANDMARKS[clothes] for axis in "xy"]
    errors = {"l2": np.full((20, len(names) // 2), 4.0)}
    rendered = render(plan, finished(plan, tmp_path, errors, names), tmp_path, "cpu")
    assert {path.name for path in rendered.files} == {f"{name}.md", f"{name}.tex"}
    text = (tmp_path / f"{name}.md").read_text()
    assert ("30 % of the training and validation labels" in text) == (rate > 0)
    # What the paper printed of the upper body says nothing of other clothes.
    assert ("15.80" in text) == (clothes == "upper")


@pytest.mark.parametrize(
    ("methods", "drawn"),
    [
        (None, "deepgum-alternate"),
        (("huber", "l2"), "huber"),
        (("l2", "deepgum"), "deepgum"),
        (("deepgum-paper", "deepgum-alternate"), "deepgum-alternate"),
    ],
)
def test_figure_3_draws_the_test_images_of_deepgum_or_of_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...] | None, drawn: str
) -> None:
    plan = make_plan("figure3", "fld", Path("fld"), TINY, methods=methods)
    errors = {run.method.name: np.full((20, 6), 2.0) for run in plan.runs}
    folders = finished(plan, tmp_path, errors, UPPER)
    read: list[Path] = []
    monkeypatch.setattr(Examples, "read", lambda path, own=Examples.read: read.append(path) or own(path))
    rendered = render(plan, folders, tmp_path, "cpu")
    assert [f"_{drawn}_" in path.parent.name for path in read] == [True]
    assert {path.name for path in rendered.files} == {"figure3.png", "figure3.svg"}
    assert all(path.stat().st_size > 1000 for path in rendered.files)
    assert rendered.table is None


def test_figure_4_has_a_table_and_the_images_that_were_flagged(tmp_path: Path) -> None:
    plan = make_plan("figure4", "utkface", Path("faces"), TINY)
    means = {"l2": 9.0, "huber": 8.0, "biweight": 7.0, "dex": 6.0, "dexgum": 5.0, "deepgum-alternate": 2.0}
    errors = {method: np.full((20, 1), mean) for method, mean in means.items()}
    rendered = render(plan, finished(plan, tmp_path, errors, ["age"]), tmp_path, "cpu")
    assert {path.name for path in rendered.files} == {f"figure4.{kind}" for kind in ("md", "tex", "png", "svg")}
    headers, rows = table_of(tmp_path / "figure4.md")
    place = headers.index("MAE") - 1
    assert {label: float(rows[label][place].rstrip("*\\")) for label in ("L2", "Dex", "DeepGUM (alternate)")} == {
        "L2": 9.0,
        "Dex": 6.0,
        "DeepGUM (alternate)": 2.0,
    }
    assert rows["DeepGUM (alternate)"][headers.index("flagged (%)") - 1].startswith("7")
    assert any("5.75" in cell for cell in rows["L2"])
    assert not any("5.75" in cell for cell in rows["L2"][: place + 1])


def test_figure_4_where_nothing_was_flagged_is_its_table(tmp_path: Path) -> None:
    plan = make_plan("figure4", "utkface", Path("faces"), TINY, methods=("l2", "deepgum"))
    errors = {"l2": np.full((20, 1), 4.0), "deepgum": np.full((20, 1), 3.0)}
    rendered = render(plan, finished(plan, tmp_path, errors, ["age"], doubted=0), tmp_path, "cpu")
    assert {path.name for path in rendered.files} >= {"figure4.md", "figure4.tex"}


def test_table_2_is_mean_and_deviation_over_folds(tmp_path: Path) -> None:
    plan = make_plan("table2", "mcgill", Path("videos"), TINY, methods=("l2", "deepgum"))
    folders = finished(plan, tmp_path, {"l2": np.full((20, 1), 4.0), "deepgum": np.full((20, 1), 2.0)}, ["yaw"])
    offsets = dict(zip(range(7), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), strict=True))
    for run in plan.runs:
        if run.method.name == "l2":
            found = Predictions.read(folders[run.digest].predictions)
            moved = replace(found, predicted=found.labels + offsets[run.data.fold])
            moved.write(folders[run.digest].predictions)
    render(plan, folders, tmp_path, "cpu")
    headers, rows = table_of(tmp_path / "table2.md")
    place = headers.index("MAE") - 1
    assert rows["L2"][place] == "4.00 ± 2.16"  # of 1 to 7, with n - 1
    assert rows["DeepGUM"][place].startswith("2.00 ± 0.00")
    assert any("8.60 ± 1.18" in cell for cell in rows["L2"][place + 1 :])


def test_the_papers_scale_changes_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "vgg.pth").write_bytes(b"")
    plan = make_plan("table1", "fld", Path("fld"), SCALES["paper"], methods=("l2",), weights=tmp_path / "vgg.pth")
    render(plan, finished(plan, tmp_path, {"l2": np.full((20, 6), 4.0)}, UPPER), tmp_path, "paper")
    text = (tmp_path / "table1.md").read_text()
    assert "→" not in text
    assert "The network starts from the weights 'vgg.pth'." in text


def test_figure_5_has_a_table_for_each_noise(tmp_path: Path) -> None:
    record = RunRecord("l2", "ngo", 0.2, 0, 0.12, 0.03, 0.02, None, None, None, 9, 1.5, 3000, 48)
    records = [
        replace(record, method=method, noise=noise, rate=rate, seed=seed, failure_rate=failure + 0.1 * seed)
        for method, failure in (("l2", 0.3), ("deepgum", 0.1), ("oracle", 0.05))
        for noise in ("ngo", "g-ugo")
        for rate in (0.0, 0.4)
        for seed in (0, 1)
    ]
    rendered = render_figure5(records, {"image size": (224, 16)}, tmp_path, "cpu")
    names = {path.name for result in rendered for path in result.files}
    assert names == {f"figure5{of}" for of in (".png", ".svg", "-ngo.md", "-ngo.tex", "-g-ugo.md", "-g-ugo.tex")}
    headers, rows = table_of(tmp_path / "figure5-ngo.md")
    assert headers[1:] == ["0 % wrong", "40 % wrong"]
    assert rows["L2"][0].startswith("35.0")
    # The oracle is told which labels are wrong, and takes no part.
    text = (tmp_path / "figure5-ngo.md").read_text()
    assert re.search(r"\| DeepGUM \| \*\*15\.0", text)
    assert "image size 224 → 16" in text


def test_what_a_folder_keeps_can_be_read_by_its_names(tmp_path: Path) -> None:
    plan = fld_plan(methods=("l2",))
    folder = next(iter(finished(plan, tmp_path, {"l2": np.full((20, 6), 4.0)}, UPPER).values()))
    values = asdict(folder.metrics())
    assert values["label"] == ""  # that of a plug-in
    assert json.loads(folder.metrics_file.read_text()) == values
    assert list(folder.metrics().each) == list(LANDMARKS["upper"])
