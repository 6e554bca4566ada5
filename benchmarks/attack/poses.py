"""Attacks on the keypoint files of other programs: DeepLabCut, SLEAP, Label Studio, Ultralytics and .pts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sleap_io
from PIL import Image

from attack.inputs import MutatedInput, Reader
from deepgum.audit.corrections.patch import Change, Patch
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.data.sets.keypoint_file import KeypointFile
from deepgum.data.sets.registry import get_dataset

N, SIDE, NAMES = 30, 48, ["left_ear", "right_ear", "nose"]
FILES = {
    "deeplabcut": "pose/dlc.csv", "deeplabcut-hdf5": "pose/dlc.h5", "sleap": "pose/a.slp",
    "label-studio": "pose/ls.json", "ultralytics": "pose/yolo", "pts": "pose/pts",
}  # fmt: skip


def make(folder: Path) -> None:
    """Write small files of all formats, their predictions, and a patch of each."""
    pose = folder / "pose"
    pose.mkdir()
    rng = np.random.default_rng(0)
    predicted = rng.uniform(18, 28, (N, 1, 2)) + np.array([[-8, -6], [8, -6], [0, 8]]) + rng.normal(0, 0.5, (N, 3, 2))
    given = (predicted + rng.normal(0, 0.3, predicted.shape)).round(2)
    given[::10, 2] += 6
    images = [f"images/{row:03d}.png" for row in range(N)]
    (pose / "images").mkdir()
    for name in images:
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(pose / name)
    _deeplabcut(pose, images, given, predicted)
    _sleap(pose, images, given, predicted)
    _label_studio(pose, images, given, predicted)
    _ultralytics(pose, images, given, predicted)
    _pts(pose, images, given, predicted)
    for name, file in FILES.items():
        form = get_dataset(name.removesuffix("-hdf5"))
        assert isinstance(form, KeypointFile)
        keypoints = form.keypoints(folder / file, form.check_options({}))
        x, y = keypoints.points[3, 2].tolist()
        fix = Change(keypoints.ids[3], keypoints.names[2], (x, y), (1.25, 2.5), "fix")
        x, y = keypoints.points[4, 0].tolist()
        drop = Change(keypoints.ids[4], keypoints.names[0], (x, y), None, "drop")
        groups = {each: (2 * place, 2 * place + 1) for place, each in enumerate(keypoints.names)}
        patch = Patch(form.name, {}, keypoints.targets, groups, "px", file, (fix, drop))
        write_patch(patch, pose / f"{name}.patch.jsonl")


def _deeplabcut(pose: Path, images: list[str], given: Any, predicted: Any) -> None:
    levels = ["scorer", "bodyparts", "coords"]
    columns = pd.MultiIndex.from_product([["ada"], NAMES, ["x", "y"]], names=levels)
    labels = pd.DataFrame(given.reshape(N, -1), pd.Index(images), columns)
    labels.to_csv(pose / "dlc.csv")
    labels.to_hdf(pose / "dlc.h5", key="df_with_missing")
    columns = pd.MultiIndex.from_product([["net"], NAMES, ["x", "y", "likelihood"]], names=levels)
    values = np.concatenate([predicted, np.full((N, 3, 1), 0.9)], axis=2).reshape(N, -1)
    output = pd.DataFrame(values, pd.Index(images), columns)
    output.to_csv(pose / "output.csv")
    output.to_hdf(pose / "output.h5", key="df_with_missing", format="table")


def _sleap(pose: Path, images: list[str], given: Any, predicted: Any) -> None:
    skeleton = sleap_io.Skeleton(list(NAMES), edges=[("left_ear", "nose")], symmetries=[("left_ear", "right_ear")])
    video = sleap_io.Video.from_filename([str(pose / name) for name in images])
    frames = []
    for row in range(N):
        user = sleap_io.Instance.from_numpy(given[row], skeleton=skeleton)
        model = sleap_io.PredictedInstance.from_numpy(predicted[row], skeleton=skeleton, score=0.9)
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=row, instances=[user, model]))
    sleap_io.Labels(frames).save(str(pose / "a.slp"), verbose=False)


def _label_studio(pose: Path, images: list[str], given: Any, predicted: Any) -> None:
    def regions(points: Any) -> list[dict[str, Any]]:
        size = {"original_width": SIDE, "original_height": SIDE, "image_rotation": 0}
        places = zip(NAMES, (100 * points / SIDE).tolist(), strict=True)
        return [
            {"id": name, "type": "keypointlabels", "value": {"x": x, "y": y, "keypointlabels": [name]}} | size
            for name, (x, y) in places
        ]

    tasks = [
        {
            "id": row,
            "data": {"image": name},
            "annotations": [{"id": row, "result": regions(given[row])}],
            "predictions": [{"score": 0.9, "result": regions(predicted[row])}],
        }
        for row, name in enumerate(images)
    ]
    (pose / "ls.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")


def _ultralytics(pose: Path, images: list[str], given: Any, predicted: Any) -> None:
    for folder in ("yolo/images/train", "yolo/labels/train", "yolo_output"):
        (pose / folder).mkdir(parents=True)
    for row, name in enumerate(images):
        (pose / f"yolo/images/train/{row:03d}.png").write_bytes((pose / name).read_bytes())
        for folder, points in (("yolo/labels/train", given), ("yolo_output", predicted)):
            words = [f"{x / SIDE:.6f} {y / SIDE:.6f} 2" for x, y in points[row].tolist()]
            (pose / folder / f"{row:03d}.txt").write_text(" ".join(["0 0.5 0.5 0.8 0.8", *words]) + "\n")
    text = "path: .\ntrain: images/train\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\nnames: {0: cat}\nskeleton: [[0, 1]]\n"
    (pose / "yolo/data.yaml").write_text(text)


def _pts(pose: Path, images: list[str], given: Any, predicted: Any) -> None:
    for folder, points in (("pts", given), ("pts_output", predicted)):
        (pose / folder).mkdir()
        for row, name in enumerate(images):
            (pose / folder / f"{row:03d}.png").write_bytes((pose / name).read_bytes())
            lines = [f"{x:.6f} {y:.6f}" for x, y in points[row].tolist()]
            text = "\n".join(["version: 1", "n_points: 3", "{", *lines, "}"]) + "\n"
            (pose / folder / f"{row:03d}.pts").write_text(text)


def _scores(path: Path, before: bytes) -> str:
    """Every probability of scores lies between 0 and 1, and there is a row per label."""
    values = pd.read_csv("o.csv")["responsibility"].dropna()
    return f"responsibilities {values.min()} to {values.max()}" if not ((values >= 0) & (values <= 1)).all() else ""


def _applied(name: str) -> Any:
    """Return a check: at most two labels of the new file differ from those of the mutated one."""

    def check(path: Path, before: bytes) -> str:
        form = get_dataset(name.removesuffix("-hdf5"))
        assert isinstance(form, KeypointFile)
        source = Path(FILES[name])
        out = Path("pose/new" + source.suffix)
        old, new = (form.labels(each, form.check_options({})) for each in (source, out))
        rows = [old.rows[each] for each in new.ids]
        same = (old.values[rows] == new.values) | (np.isnan(old.values[rows]) & np.isnan(new.values))
        changed = int((~same).reshape(len(rows), -1, 2).any(axis=2).sum()) + len(old) - len(new)
        return f"{changed} labels differ, and 2 were decided" if changed > 2 else ""

    return check


def _attacks() -> list[MutatedInput]:
    labelled = {
        "deeplabcut": ["pose/dlc.csv"],
        "deeplabcut-hdf5": ["pose/dlc.h5"],
        "sleap": ["pose/a.slp"],
        "label-studio": ["pose/ls.json"],
        "ultralytics": ["pose/yolo/data.yaml", "pose/yolo/labels/train/003.txt", "pose/yolo/labels/train/010.txt"],
        "pts": ["pose/pts/003.pts", "pose/pts/010.pts"],
    }
    outputs = {
        "deeplabcut": ["pose/output.csv"],
        "deeplabcut-hdf5": ["pose/output.h5"],
        "ultralytics": ["pose/yolo_output"],
        "pts": ["pose/pts_output"],
    }
    found = []
    for name, files in labelled.items():
        output = outputs.get(name, [""])[0]
        score = Reader(f"score {FILES[name]} {output} --inliers gaussian --out o.csv", ("o.csv",))
        mutated = [*files, *(_mutated_outputs(output))]
        found.append(MutatedInput(f"{name}: score", 300, [(file, score) for file in mutated], _scores))
        new = f"pose/new{Path(FILES[name]).suffix}"
        apply = Reader(f"apply pose/{name}.patch.jsonl {FILES[name]} --out {new}", (new, f"{new}.changes.csv"))
        found.append(MutatedInput(f"{name}: apply", 300, [(file, apply) for file in files], _applied(name)))
    return found


def _mutated_outputs(output: str) -> list[str]:
    """Return the files of predictions that are mutated: the file itself, or one file of a folder."""
    folders = {"pose/yolo_output": "pose/yolo_output/003.txt", "pose/pts_output": "pose/pts_output/003.pts"}
    return [folders.get(output, output)] if output else []


ATTACKS = _attacks()
