"""Decisions for other programs, checked against what the formats publish: fields, types and ranges."""

import csv
import json
import shlex
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import ENDINGS, KINDS, export_decisions
from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.data.crops import Square
from deepgum.data.pictures import Pictures
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnknownNameError,
)

NASTY = ('a "b".png', "with space.png", "<b>.png", "a..b.png", "写真 100%.png", "a?b#c&d=e.png")
SIZE = (80, 40)


def audit(folder, *, landmarks=True, pictures=True, targets=("left <eye>_x", "left <eye>_y", 'm"_x', 'm"_y')):
    """Six samples of two groups; of the first sample both are flagged, of the second one, and the last has no label."""
    n = len(NASTY)
    (folder / "img").mkdir(parents=True)
    for name in NASTY:
        Image.new("RGB", SIZE).save(folder / "img" / name)
    given = np.arange(4.0 * n).reshape(n, 4) + 0.5
    given[0, 0] = 90.0  # to the right of the image
    given[3, 0] = np.nan  # half of a landmark
    given[-1] = np.nan
    responsibilities = np.full((n, 2), 0.9)
    responsibilities[0] = 0.1, 0.2
    responsibilities[1, 1] = 0.3
    responsibilities[-1] = np.nan
    labels = ScoredLabels(
        ids=NASTY, target_names=targets, group_names=("left <eye>", 'm"'), partition=((0, 1), (2, 3)), given=given,
        predicted=np.arange(4.0 * n).reshape(n, 4), responsibilities=responsibilities,
        mahalanobis=np.ones((n, 2)), suggested=np.full((n, 4), np.nan), uncertainty=np.full((n, 4), np.nan),
        why={(0, 0): "too far <right>"},
    )  # fmt: skip
    squares = (Square(-10.0, 5.0, 60.0), *[None] * (n - 1))
    made = AuditFolder(folder / "audit")
    source = DataSource("table", str(folder / "faces.csv"), {"targets": list(targets)}, str(folder), landmarks, "px")
    summary = AuditSummary(source, n, 2 * n - 2, 3, 0.6, None, "", ())
    made.write(summary, labels, Pictures(folder / "img", NASTY, squares) if pictures else None)
    return made


DECISIONS = (
    Decision(NASTY[0], "left <eye>", "fix", (20.0, 10.0), reason="clicked"),
    Decision(NASTY[1], 'm"', "drop"),
    Decision(NASTY[2], 'm"', "keep"),
)


def exported(folder, kind, path, decisions=DECISIONS):
    target = path / f"out{ENDINGS[kind][0]}"
    made = export_decisions(folder, decisions, target, kind)
    assert made.files[0] == target
    assert all(file.is_file() for file in made.files)
    read = target if kind in ("patch", "csv") else json.loads(target.read_text(encoding="utf-8"))
    return read, made


# Label Studio: https://labelstud.io/guide/task_format, /tags/keypointlabels, /tags/number, /tags/choices


def controls(path):
    """Return the configuration's controls by name, and the name of what is shown."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "View"
    (shown,) = [element for element in root if element.tag in ("Image", "Text")]
    return {e.get("name"): e for e in root if e.get("toName") == shown.get("name")}, shown


def check_tasks(tasks, config):
    known, shown = controls(config)
    ids = []
    for task in tasks:
        for element in ElementTree.parse(config).getroot().iter():
            value = element.get("value") or ""
            assert not value.startswith("$") or value[1:] in task["data"]
        for prediction in task["predictions"]:
            assert isinstance(prediction["model_version"], str)
            assert 0 <= prediction["score"] <= 1
        for result in [*task["predictions"], *task.get("annotations", [])]:
            for region in result["result"]:
                ids.append(region["id"])
                control = known[region["from_name"]]
                assert region["to_name"] == shown.get("name")
                assert region["type"] == control.tag.lower()
                value = region["value"]
                if region["type"] == "keypointlabels":
                    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (*SIZE, 0)
                    assert 0 <= value["x"] <= 100
                    assert 0 <= value["y"] <= 100
                    assert value["width"] > 0
                    assert value["keypointlabels"][0] in [label.get("value") for label in control]
                elif region["type"] == "choices":
                    assert value["choices"][0] in [choice.get("value") for choice in control]
                else:
                    assert isinstance(value["number"], float)
    assert len(set(ids)) == len(ids)


def placed(result):
    """Return the landmarks of a result in pixels."""
    return {
        region["value"]["keypointlabels"][0]: (
            round(region["value"]["x"] * SIZE[0] / 100, 9),
            round(region["value"]["y"] * SIZE[1] / 100, 9),
        )
        for region in result["result"]
    }


def test_label_studio_has_a_task_for_each_flagged_or_decided_sample(tmp_path):
    tasks, made = exported(audit(tmp_path), "label-studio", tmp_path)
    check_tasks(tasks, made.files[1])
    assert [task["data"]["sample"] for task in tasks] == list(NASTY[:3])
    assert tasks[0]["data"]["why"] == "left <eye>: too far <right>"
    assert "annotations" in tasks[0]
    predicted, given = tasks[1]["predictions"]
    assert placed(predicted) == {"left <eye>": (4, 5), 'm"': (6, 7)}
    assert placed(given) == {"left <eye>": (4.5, 5.5), 'm"': (6.5, 7.5)}
    decided = [placed(task["annotations"][0]) for task in tasks]
    # Fixed, and the other one is flagged and open; dropped; kept.
    assert decided[0] == {"left <eye>": (20, 10)}
    assert decided[1] == {"left <eye>": (4.5, 5.5)}
    assert decided[2] == {"left <eye>": (8.5, 9.5), 'm"': (10.5, 11.5)}
    assert [task["data"]["decisions"] for task in tasks] == [
        "left <eye>: fix (clicked)", 'm": drop', 'm": keep',
    ]  # fmt: skip


def test_a_landmark_outside_the_image_is_at_its_edge_with_a_note(tmp_path):
    tasks, _ = exported(audit(tmp_path), "label-studio", tmp_path, ())
    region = tasks[0]["predictions"][1]["result"][0]
    assert (region["value"]["x"], region["meta"]["text"]) == (100.0, ["outside the image, at 90, 1.5 px"])
    assert all("annotations" not in task for task in tasks)


def test_label_studio_finds_images_with_unusual_names(tmp_path):
    folder = audit(tmp_path)
    tasks, made = exported(folder, "label-studio", tmp_path, [Decision(name, 'm"', "keep") for name in NASTY])
    assert f"DOCUMENT_ROOT={tmp_path.resolve()}" in made.next
    for task, name in zip(tasks, NASTY, strict=True):
        url = urlsplit(task["data"]["image"])
        assert (url.path, url.fragment) == ("/data/local-files/", "")
        assert tmp_path.resolve() / parse_qs(url.query)["d"][0] == (tmp_path / "img" / name).resolve()


@pytest.mark.parametrize("pictures", [True, False])
def test_label_studio_has_a_form_for_values(tmp_path, pictures):
    folder = audit(tmp_path, landmarks=False, pictures=pictures)
    tasks, made = exported(folder, "label-studio", tmp_path)
    check_tasks(tasks, made.files[1])
    known, shown = controls(made.files[1])
    assert shown.tag == ("Image" if pictures else "Text")
    assert [control.tag for control in known.values()] == ["Number"] * 4 + ["Choices"] * 2
    result = {region["from_name"]: region["value"] for region in tasks[0]["annotations"][0]["result"]}
    assert result == {"value0": {"number": 20.0}, "value1": {"number": 10.0}, "decision0": {"choices": ["fix"]}}
    dropped = {region["from_name"]: region["value"] for region in tasks[1]["annotations"][0]["result"]}
    assert dropped["decision1"] == {"choices": ["drop"]}
    assert "value2" not in dropped


# COCO: https://cocodataset.org/#format-data, "Keypoint Detection"


def test_coco_has_all_samples_after_the_decisions(tmp_path):
    made, _ = exported(audit(tmp_path), "coco", tmp_path)
    assert {"info", "images", "annotations", "licenses", "categories"} <= set(made)
    (category,) = made["categories"]
    assert category["keypoints"] == ["left <eye>", 'm"']
    assert [image["file_name"] for image in made["images"]] == list(NASTY)
    images = {image["id"]: image for image in made["images"]}
    assert len(images) == len(NASTY)
    for annotation in made["annotations"]:
        image = images[annotation["image_id"]]
        assert (image["width"], image["height"]) == SIZE
        assert annotation["category_id"] == category["id"]
        assert annotation["iscrowd"] == 0
        v = annotation["keypoints"][2::3]
        assert len(annotation["keypoints"]) == 3 * len(category["keypoints"])
        assert annotation["num_keypoints"] == sum(flag > 0 for flag in v)
        for x, y, flag in zip(annotation["keypoints"][::3], annotation["keypoints"][1::3], v, strict=True):
            assert flag == 2 or (x, y, flag) == (0, 0, 0)
        left, top, width, height = annotation["bbox"]
        assert 0 <= left <= left + width <= SIZE[0]
        assert 0 <= top <= top + height <= SIZE[1]
        assert annotation["area"] == width * height
    points = [annotation["keypoints"] for annotation in made["annotations"]]
    assert points[0] == [20, 10, 2, 2.5, 3.5, 2]
    assert points[1] == [4.5, 5.5, 2, 0, 0, 0]
    assert points[3] == [0, 0, 0, 14.5, 15.5, 2]
    assert points[-1] == [0] * 6
    assert made["annotations"][0]["bbox"] == [0, 5, 50, 35]  # the part of the network's square that is in the image
    assert made["annotations"][1]["bbox"] == [0, 0, *SIZE]
    assert made["annotations"][1]["attributes"]["decisions"] == {'m"': "drop"}


def test_coco_refuses_values(tmp_path):
    with pytest.raises(InvalidDataError, match="should be landmarks"):
        exported(audit(tmp_path, landmarks=False), "coco", tmp_path)


# FiftyOne: https://docs.voxel51.com, `Dataset.from_json`, `Keypoint`, `Regression`


def test_fiftyone_has_keypoints_in_fractions_of_the_image(tmp_path):
    made, _ = exported(audit(tmp_path), "fiftyone", tmp_path)
    assert (made["media_type"], made["default_skeleton"]["labels"]) == ("image", ["left <eye>", 'm"'])
    fields = {"filepath", "tags", *made["sample_fields"]}
    for sample, name in zip(made["samples"], NASTY, strict=True):
        assert set(sample) == fields
        assert sample["filepath"] == str(tmp_path / "img" / name)
        for field in ("labels", "given", "predicted"):
            assert made["sample_fields"][field].endswith("(fiftyone.core.labels.Keypoints)")
            assert sample[field]["_cls"] == "Keypoints"
            (keypoint,) = sample[field]["keypoints"]
            assert keypoint["_cls"] == "Keypoint"
            assert np.shape(keypoint["points"]) == (2, 2)
    first, second, _, half, _, last = made["samples"]
    assert np.isnan(half["given"]["keypoints"][0]["points"][0]).all()
    assert first["labels"]["keypoints"][0]["points"] == [[20 / 80, 10 / 40], [2.5 / 80, 3.5 / 40]]
    assert first["given"]["keypoints"][0]["confidence"] == [0.1, 0.2]
    assert first["decisions"] == ["left <eye>: fix (clicked)"]
    assert (first["tags"], first["responsibility"]) == (["flagged", "fix"], 0.1)
    assert np.isnan(second["labels"]["keypoints"][0]["points"][1]).all()  # dropped
    assert np.isnan(last["given"]["keypoints"][0]["points"]).all()
    assert last["responsibility"] is None


def test_fiftyone_has_values_as_regressions(tmp_path):
    made, _ = exported(audit(tmp_path, landmarks=False), "fiftyone", tmp_path)
    first, second, *_, last = made["samples"]
    names = [field for field in made["sample_fields"] if field.startswith("labels")]
    assert [first[name]["value"] for name in names] == [20, 10, 2.5, 3.5]
    assert first[names[0].replace("labels", "given")] == {"_cls": "Regression", "value": 90.0, "confidence": 0.1}
    assert second[names[2]] is None
    assert last[names[0]] is None
    assert all(name.isidentifier() for name in made["sample_fields"])


@pytest.mark.parametrize("kind", ["fiftyone", "coco"])
def test_programs_that_show_pictures_refuse_audits_without_them(tmp_path, kind):
    landmarks = kind == "coco"
    with pytest.raises(InvalidDataError, match="the samples of this audit have no pictures"):
        exported(audit(tmp_path, landmarks=landmarks, pictures=False), kind, tmp_path)


@pytest.mark.parametrize("kind", ["coco", "fiftyone", "label-studio"])
def test_a_missing_picture_is_named_before_any_write(tmp_path, kind):
    folder = audit(tmp_path)
    (tmp_path / "img" / NASTY[0]).unlink()
    with pytest.raises(MissingImagesError, match=r"Found 1 unreadable: 'a \"b\"\.png'"):
        exported(folder, kind, tmp_path)
    assert not (tmp_path / "out.json").exists()


# A table for spreadsheets, read here with the csv module of Python


def test_the_table_has_one_row_per_decision_with_its_note(tmp_path):
    reason = 'two "eyes", 1; =1+1'
    decisions = [replace(DECISIONS[0], reason=reason, who="ada", at="2026-01-31T12:00:00Z"), *DECISIONS[1:]]
    path, made = exported(audit(tmp_path), "csv", tmp_path, decisions)
    with open(path, newline="", encoding="utf-8") as file:
        first, second, third = csv.DictReader(file)
    assert made.decisions == 3
    assert [each["id"] for each in (first, second, third)] == list(NASTY[:3])
    assert [each["decision"] for each in (first, second, third)] == ["corrected by hand", "dropped", "kept"]
    assert (first["old"], first["new"], first["responsibility"]) == ("90 1.5", "20 10", "0.1")
    assert (first["note"], first["who"], first["at"]) == (reason, "ada", "2026-01-31T12:00:00Z")
    assert (first["why"], first["group"]) == ("too far <right>", "left <eye>")
    assert (second["new"], second["note"], second["who"]) == ("", "", "")


def test_a_note_that_is_a_formula_is_named(tmp_path):
    with pytest.warns(DeepGUMWarning, match="1 cells .* row 1, column 'note': '=1"):
        exported(audit(tmp_path), "csv", tmp_path, [replace(DECISIONS[1], reason="=1+1")])


# What all kinds share


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_counts_the_decisions_in_its_file(tmp_path, kind):
    decisions = [*DECISIONS, Decision(NASTY[3], 'm"', "skip")]
    path, made = exported(audit(tmp_path), kind, tmp_path, decisions)
    assert made.decisions == 3
    if kind == "patch":
        assert len(read_patch(path).changes) == 3


def test_a_patch_is_one_of_the_kinds(tmp_path):
    (tmp_path / "my fixes").mkdir()
    path, made = exported(audit(tmp_path), "patch", tmp_path / "my fixes")
    assert [change.decision for change in read_patch(path).changes] == ["fix", "drop", "keep"]
    assert shlex.split(made.next.removeprefix("Apply it with: "))[:3] == ["deepgum", "apply", str(path)]


@pytest.mark.parametrize("kind", KINDS)
def test_flags_alone_can_be_exported_and_later_decisions_replace_the_file(tmp_path, kind):
    folder = audit(tmp_path)
    exported(folder, kind, tmp_path, ())
    empty = (tmp_path / f"out{ENDINGS[kind][0]}").read_bytes()
    exported(folder, kind, tmp_path)
    assert (tmp_path / f"out{ENDINGS[kind][0]}").read_bytes() != empty


def test_paths_of_other_files_are_refused(tmp_path):
    folder = audit(tmp_path)
    (tmp_path / "dir.json").mkdir()
    for path, kind in (
        (tmp_path / "faces.csv", "patch"),
        (folder.scores_file, "coco"),
        (folder.summary_file, "fiftyone"),
        (tmp_path / "dir.json", "coco"),
    ):
        with pytest.raises(InvalidParameterError, match="`export`"):
            export_decisions(folder, DECISIONS, path, kind)
    folder.summary()
    folder.labels()
    with pytest.raises(UnknownNameError, match="Did you mean 'coco'"):
        export_decisions(folder, DECISIONS, tmp_path / "a.json", "cocoo")
