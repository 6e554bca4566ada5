"""The files that are attacked: tables, images, configurations, a run, an audit, a comparison and a patch, all small."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import tomli_w
from PIL import Image
from pyarrow import feather

from attack.outcome import call
from deepgum.audit.corrections.decisions import Action, Decision
from deepgum.audit.corrections.patch import Change, FinalAction, Patch
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.scoring.score import score_labels
from deepgum.audit.summary import DataSource
from deepgum.data.pictures import Pictures
from deepgum.review.store import DecisionStore

ROWS, SIDE, COLUMNS = 60, 48, ["a_x", "a_y", "b_x", "b_y"]
FEATURES = {
    "data": {"name": "table", "folder": "t.csv", "options": {"features": ["a", "b"], "targets": ["y"]}},
    "model": {"name": "mlp"},
    "training": {"epochs_max": 3},
}
FACES = {
    "name": "table",
    "folder": "faces.csv",
    "image_size": 24,
    "options": {"image": "file", "targets": COLUMNS, "landmarks": True},
}
PICTURES = {
    "data": FACES,
    "model": {"name": "facenet"},
    "method": {"groups": "coordinate"},
    "training": {"epochs_max": 1},
}
COMPARE = [
    *("compare", "--dataset", "digits", "--methods", "l2,deepgum", "--rate", "0.2", "--epochs-max", "2"),
    *("--train-size", "40"),
]


def make(folder: Path) -> None:
    """Write all materials into an empty folder, which is the working folder."""
    rng = np.random.default_rng(0)
    _tables(folder, rng)
    _audit(folder, rng)
    _keypoints(folder, rng)
    configurations = {
        "run.toml": FEATURES,
        "pictures.toml": PICTURES,
        "audit.toml": FEATURES | {"audit": {"folds": 2, "rounds": 1, "inliers": "gaussian"}},
        "audit/audit.toml": PICTURES | {"audit": {"folds": 2, "rounds": 1}},
    }
    for name, values in configurations.items():
        (folder / name).write_text(tomli_w.dumps(values), encoding="utf-8")
    for command in (
        ["fit", "run.toml", "--out", "run"],
        ["fit", "pictures.toml", "--out", "pictures"],
        [*COMPARE, "--out", "comparison"],
    ):
        result = call(command)
        if result.exit_code:
            raise SystemExit(f"The materials cannot be made: {command}\n{result.output}{result.exception}")
    _decide(folder)


def _tables(folder: Path, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, ROWS))
    y = a - b + np.where(np.arange(ROWS) % 8 == 0, 9, 0)
    lines = [f"{x:.4f},{z:.4f},{v:.4f},{p:.4f}" for x, z, v, p in zip(a, b, y, a - b + 0.1 * a * b, strict=True)]
    (folder / "t.csv").write_text("\n".join(["a,b,y,y_pred", *lines]) + "\n", encoding="utf-8")
    table = pyarrow.csv.read_csv(folder / "t.csv")
    pq.write_table(table, folder / "t.parquet")
    feather.write_feather(table, folder / "t.feather")
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
    content = (folder / "t.csv").read_bytes()
    (folder / "t.csv.gz").write_bytes(gzip.compress(content))
    marked = [line if row % 9 else f"0.1,0.2,{('NA', '?', '-9999')[row % 3]},0.3" for row, line in enumerate(lines)]
    (folder / "marked.csv").write_text("\n".join(["a,b,y,y_pred", *marked]) + "\n", encoding="utf-8")
    german = "\n".join(["# Messung", "a;b;y;y_pred", *(line.replace(",", ";").replace(".", ",") for line in lines)])
    (folder / "german.csv").write_text(german + "\n", encoding="utf-8")


def _audit(folder: Path, rng: np.random.Generator) -> None:
    """Write images with two landmarks, their table, and an audit of them without training."""
    names = tuple(f"images/{row:03d}.png" for row in range(ROWS))
    (folder / "images").mkdir()
    for name in names:
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(folder / name)
    predicted = rng.uniform(10, 38, (ROWS, 4))
    given = (predicted + rng.normal(0, 0.5, predicted.shape)).round(2)
    given[::5, :2] += 9
    lines = [",".join([name, *map(str, row)]) for name, row in zip(names, given.round(2).tolist(), strict=True)]
    (folder / "faces.csv").write_text("\n".join([",".join(["file", *COLUMNS]), *lines]) + "\n", encoding="utf-8")
    table = pyarrow.csv.read_csv(folder / "faces.csv")
    pq.write_table(table, folder / "faces.parquet")
    (folder / "faces.csv.gz").write_bytes(gzip.compress((folder / "faces.csv").read_bytes()))
    decimals = table.column(COLUMNS[0]).cast(pa.decimal128(12, 2))
    texts = table.column(COLUMNS[1]).cast(pa.string()).dictionary_encode()
    typed = table.set_column(1, COLUMNS[0], decimals).set_column(2, COLUMNS[1], texts)
    pq.write_table(typed, folder / "typed.parquet")
    scored = score_labels(predicted, given, ids=names, target_names=COLUMNS, inliers="gaussian", unit="px")
    data = DataSource("table", "faces.csv", FACES["options"], ".", True, "px", ())
    summary = replace(scored.summary, data=data, backbone="facenet", folds=2, fits=2)
    audit = AuditFolder(folder / "audit")
    audit.write(summary, scored.labels, Pictures(Path("."), names, (None,) * ROWS))


def _keypoints(folder: Path, rng: np.random.Generator) -> None:
    """Write a COCO file with two instances in each image, the predictions of a model, and a patch of the file."""
    names, images, annotations, results = ["left_ear", "right_ear", "nose"], [], [], []
    for row in range(ROWS):
        image = row // 2
        if row % 2 == 0:
            images.append({"id": image, "file_name": f"images/{image:03d}.png", "width": SIDE, "height": SIDE})
        predicted = rng.uniform(4, 18, (3, 2)) + 24 * np.array([row % 2, row % 2])
        given = (predicted + rng.normal(0, 0.3, (3, 2))).round(2)
        given[0] += 5 * (row % 6 == 0)
        key = {"image_id": image, "category_id": 1}
        points = [value for x, y in given.tolist() for value in (x, y, 1 + row % 2)]
        annotations.append({"id": row, **key, "keypoints": points, "num_keypoints": 3, "iscrowd": 0})
        if row % 3 == 0:
            annotations[-1]["bbox"] = [24 * (row % 2), 24 * (row % 2), 24, 24]
        points = [value for x, y in predicted.tolist() for value in (x, y, 0.9)]
        results.append({**key, "keypoints": points, "score": 0.8})
    category = {"id": 1, "name": "cat", "keypoints": names, "skeleton": [[1, 3], [2, 3]]}
    content = {"info": {"year": 2020}, "images": images, "annotations": annotations, "categories": [category]}
    (folder / "coco.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    targets = tuple(f"{name}_{axis}" for name in names for axis in "xy")
    changes = []
    for row in range(6):
        x, y, _ = annotations[row]["keypoints"][:3]
        action = cast(FinalAction, ("fix", "drop", "keep")[row % 3])
        name = f"images/{row // 2:03d}.png#{row}"
        changes.append(Change(name, "left_ear", (x, y), (1.25, 2.5 + row) if action == "fix" else None, action, "seen"))
    groups = {name: (2 * place, 2 * place + 1) for place, name in enumerate(names)}
    write_patch(Patch("coco", {}, targets, groups, "px", "coco.json", tuple(changes)), folder / "c.patch.jsonl")


def _decide(folder: Path) -> None:
    """Decide about a few labels, and export the decisions as a patch."""
    audit = AuditFolder(folder / "audit")
    with DecisionStore.of(audit) as store:
        for row in range(30, 36):
            action = cast(Action, ("fix", "drop", "keep")[row % 3])
            new = (1.25, 2.5 + row) if action == "fix" else None
            store.decide(Decision(f"images/{row:03d}.png", "a", action, new, "seen", "ada"))
    assert not call(["review", "audit", "--export", "patch=p.patch.jsonl"]).exit_code
