"""A COCO file from its audit to its corrections: two instances per image, each with its own crop and its own labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgum.audit.corrections.apply import apply_patch
from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import export_decisions
from deepgum.audit.corrections.patch_of import patch_of
from deepgum.data.sets.registry import get_dataset
from deepgum.data.sets.request import Request
from deepgum.errors import InvalidDataError
from deepgum.experiments.audits.config import config_of
from deepgum.experiments.audits.run import run_audit
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.evaluate import evaluate_run
from deepgum.experiments.runs.run import run
from deepgum.report.page.thumbnails import PictureViewer

IMAGES, SIDE = 20, 24
NAMES = ["left", "right", "chin"]
LOST = {(row, row % 3) for row in range(4, 2 * IMAGES, 6)}


def make(folder: Path) -> tuple[Path, dict[tuple[int, int], list[float]]]:
    """Write images with two faces of coloured spots, at different places; some labels are far off. Return the file,
    and the true places of the labels that are off.
    """
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    images, annotations, truth = [], [], {}
    for key in range(IMAGES):
        canvas = rng.normal(60, 10, (2 * SIDE, 3 * SIDE, 3))
        y, x = np.mgrid[0 : 2 * SIDE, 0 : 3 * SIDE] + 0.5
        for place in range(2):
            corner = np.array([place * 1.6, rng.uniform(0, 0.9)]) * SIDE
            points = corner + SIDE * (np.array([[0.2, 0.3], [0.8, 0.3], [0.5, 0.8]]) + rng.uniform(-0.12, 0.12, (3, 2)))
            for channel, (left, top) in enumerate(points):
                canvas[..., channel] += 180 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / 8)
            row = len(annotations)
            for keypoint in range(3):
                if (row, keypoint) in LOST:
                    truth[row, keypoint] = points[keypoint].round(2).tolist()
                    points[keypoint] = corner + (points[keypoint] - corner + 0.55 * SIDE) % SIDE
            annotations.append(
                {
                    "id": 500 + row,
                    "image_id": key,
                    "category_id": 1,
                    "bbox": [*corner.tolist(), SIDE, SIDE],
                    "num_keypoints": 3,
                    "keypoints": [value for x_, y_ in points.round(2).tolist() for value in (x_, y_, 2)],
                }
            )
        images.append({"id": key, "file_name": f"{key:03d}.png", "width": 3 * SIDE, "height": 2 * SIDE})
        Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)).save(folder / "photos" / f"{key:03d}.png")
    category = {"id": 1, "name": "face", "keypoints": NAMES, "skeleton": [[1, 2], [2, 3]]}
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}, indent=1))
    return path, truth


@pytest.mark.filterwarnings("ignore::deepgum.errors.DeepGUMWarning")
@pytest.mark.usefixtures("gaussian_scores")
def test_corrections_of_an_audit_come_back_into_the_file(tmp_path: Path) -> None:
    path, truth = make(tmp_path)
    changes = {"data.image_size": 16, "data.cache_dir": str(tmp_path / "cache"), "training.epochs_max": 1}
    changes |= {"audit.folds": 2, "audit.rounds": 1}
    config = config_of(path, changes, {"images": str(tmp_path / "photos")})
    folder = run_audit(config, tmp_path / "run")
    summary, labels, pictures = folder.summary(), folder.labels(), folder.pictures()
    assert summary.data.name == "coco"
    assert summary.data.skeleton == ((0, 1), (1, 2))
    assert labels.ids[:2] == ("000.png#500", "000.png#501")

    # Each card shows the part of the image in which its instance is.
    annotations = json.loads(path.read_text())["annotations"]
    assert pictures is not None
    for row in (0, 1, 7):
        view = PictureViewer.of(summary.data, pictures).view(row)
        left, top, width, height = annotations[row]["bbox"]
        assert view.crop is not None
        assert abs(view.crop.left + view.crop.side / 2 - (left + width / 2)) < 1e-6
        assert abs(view.crop.top + view.crop.side / 2 - (top + height / 2)) < 1e-6

    # Correct the labels that are off, and drop the first of them.
    (first, *others) = sorted(truth)
    decisions = [
        Decision(labels.ids[row], NAMES[keypoint], "fix", tuple(truth[row, keypoint])) for row, keypoint in others
    ]
    decisions.append(Decision(labels.ids[first[0]], NAMES[first[1]], "drop"))
    patch = patch_of(folder, decisions)
    dataset = get_dataset(patch.dataset)
    options = dataset.check_options(patch.options)
    applied = apply_patch(patch, dataset.labels(path, options), tmp_path / "new.json")
    assert (applied.fixed, applied.dropped) == (len(others), 1)

    expected = json.loads(path.read_text())
    for row, keypoint in truth:
        triple = [0, 0, 0] if (row, keypoint) == first else [*truth[row, keypoint], 2]
        expected["annotations"][row]["keypoints"][3 * keypoint : 3 * keypoint + 3] = triple
    expected["annotations"][first[0]]["num_keypoints"] = 2
    assert json.loads((tmp_path / "new.json").read_text()) == expected

    # The export of the whole audit as COCO has each image once.
    export_decisions(folder, decisions, tmp_path / "export.json", "coco")
    export = json.loads((tmp_path / "export.json").read_text())
    assert len(export["images"]) == IMAGES
    assert export["categories"][0]["skeleton"] == [[1, 2], [2, 3]]
    names = {image["id"]: image["file_name"] for image in export["images"]}
    assert [names[each["image_id"]] for each in export["annotations"]] == [name.split("#")[0] for name in labels.ids]


def test_the_format_in_the_documentation_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "keypoints.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text[text.index("## A format of your own") :], flags=re.DOTALL)
    assert code is not None
    (tmp_path / "my_points_of_the_docs.py").write_text(code[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    form = get_dataset("my_points_of_the_docs:PointLines")
    lines = [f"{row}.png {row + 1} 2 {row + 9} 4" for row in range(12)]
    for row in range(12):
        Image.new("L", (30, 20), row).save(tmp_path / f"{row}.png")
    (tmp_path / "eyes.txt").write_text("\n".join(lines) + "\n")
    options = form.check_options({})
    pool = form.pool(Request(Path("eyes.txt"), image_size=16, cache_dir=tmp_path / "cache", options=options), 0)
    assert pool.data.target_names == ("left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y")
    assert pool.data.mirror is not None
    labels = form.labels(Path("eyes.txt"), options)
    labels.write({"3.png": np.array([7.5, 2, np.nan, np.nan])}, Path("new.txt"))
    lines[3] = "3.png 7.5 2.0 nan nan"
    assert Path("new.txt").read_text().replace("7.5 2 ", "7.5 2.0 ") == "\n".join(lines) + "\n"


@pytest.mark.filterwarnings("ignore::deepgum.errors.DeepGUMWarning")
def test_a_network_is_measured_on_a_file_with_few_labels_of_its_keypoints(tmp_path: Path) -> None:
    path, _ = make(tmp_path)
    options = {"images": str(tmp_path / "photos")}
    data = {"name": "coco", "folder": str(path), "options": options, "image_size": 16, "skip_missing": True}
    config = RunConfig.from_mapping({"data": data, "training": {"epochs_max": 1}})
    run(config, tmp_path / "run")
    content = json.loads(path.read_text())
    for row, annotation in enumerate(content["annotations"]):
        if row >= 3:
            annotation["keypoints"][3:6] = [0, 0, 0]  # "right" has three labels, too few to learn it
        # Another file may have its keypoints in another order.
        annotation["keypoints"] = annotation["keypoints"][3:] + annotation["keypoints"][:3]
    content["categories"][0].update(keypoints=[*NAMES[1:], NAMES[0]], skeleton=[])
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content))
    found, whole = evaluate_run(tmp_path / "run", other), evaluate_run(tmp_path / "run", part="all")
    assert found.samples == 2 * IMAGES
    assert list(found.each) == NAMES
    for name in ("left", "chin"):  # the same labels in both files
        assert found.each[name] == pytest.approx(whole.each[name])
    content["categories"][0]["keypoints"][0] = "nose"
    other.write_text(json.dumps(content))
    with pytest.raises(InvalidDataError, match=r"has no right_x, right_y; it has nose, chin, left"):
        evaluate_run(tmp_path / "run", other)
