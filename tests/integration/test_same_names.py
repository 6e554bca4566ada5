"""The same columns have the same names in fits, audits, reports and exports."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.audit.corrections.formats import export_decisions
from deepgum.audit.folder import AuditFolder
from deepgum.audit.reasons.case import part_names
from deepgum.audit.scoring.score import score_labels
from deepgum.audit.summary import DataSource
from deepgum.data.pictures import Pictures
from deepgum.data.regression import RegressionData
from deepgum.experiments.audits import gain
from deepgum.experiments.runs.scoring import posteriors_of
from deepgum.experiments.runs.tables import Predictions
from deepgum.report.page.data import flagged_rows, gallery_data
from deepgum.report.page.thumbnails import View

pytestmark = pytest.mark.usefixtures("gaussian_scores")

N = 60

GROUPS = [
    # columns, groups, names of the groups
    (("nose_x", "nose_y", "left_eye_x", "left_eye_y"), "landmark", ("nose", "left_eye")),
    (("x1", "y1", "x2", "y2"), "landmark", ("1", "2")),
    (("lx", "ly", "rx", "ry"), "landmark", ("l", "r")),
    (("p_x_1", "p_y_1", "noseX", "noseY"), "landmark", ("p_1", "nose")),
    (("eye_col", "eye_row", "tip u", "tip v"), "landmark", ("eye", "tip")),
    (("x", "y", "east", "north"), "landmark", ("landmark 0", "landmark 1")),
    (("nose_x", "nose_y", "x_nose", "y_nose"), "landmark", ("nose_x+nose_y", "x_nose+y_nose")),
    (("x1", "y1", "x2", "y2"), "coordinate", ("x1", "y1", "x2", "y2")),
    (("x1", "y1", "x2", "y2"), "sample", ("sample",)),
    (("x1", "y1", "yaw", "pitch"), ((0, 1), (2,), (3,)), ("1", "yaw", "pitch")),
    (("x1", "y1", "yaw", "pitch"), ((0, 1), (2, 3)), ("1", "yaw+pitch")),
    (("yaw", "pitch", "roll"), "sample", ("sample",)),
    (("age",), "sample", ("age",)),
]
LANDMARKS = [(columns, names) for columns, groups, names in GROUPS if groups == "landmark"]


def numbers(d):
    rng = np.random.default_rng(0)
    predicted = rng.uniform(20, 40, (N, d))
    given = predicted + rng.normal(0, 0.5, (N, d))
    given[0] += 15
    return predicted, given


def scored(columns, groups):
    predicted, given = numbers(len(columns))
    return score_labels(predicted, given, target_names=columns, groups=groups)


@pytest.mark.parametrize(("columns", "groups", "names"), GROUPS)
def test_groups_have_the_same_names_in_a_fit_an_audit_and_a_report(columns, groups, names):
    _, given = numbers(len(columns))
    data = RegressionData.from_arrays(np.zeros((N, 1)), given, target_names=columns)
    result = SimpleNamespace(residuals=torch.ones(N, len(columns)), mixture=None, responsibilities=None, flags=None)
    assert posteriors_of(result, data, groups).group_names == names
    result.mixture = SimpleNamespace(groups=groups)
    assert posteriors_of(result, data).group_names == names
    found = scored(columns, groups)
    assert found.labels.group_names == names
    assert tuple(group.name for group in found.summary.groups) == names
    page = gallery_data(found.summary, found.labels, found.labels.worst_first())
    assert tuple(group["name"] for group in page["groups"]) == names


@pytest.mark.parametrize("groups", ["landmark", "coordinate"])
@pytest.mark.parametrize(("columns", "names"), LANDMARKS)
def test_landmarks_have_the_same_names_in_metrics_reasons_pages_and_exports(columns, names, groups, tmp_path):
    found = scored(columns, groups)
    labels = found.labels
    assert labels.landmark_names == names
    assert tuple(part_names(labels, range(len(columns)), True)) == names
    predicted, given = numbers(len(columns))
    assert tuple(Predictions(labels.ids, columns, predicted, given).each(landmarks=True)) == names
    source = SimpleNamespace(landmarks=True)
    assert gain._names(SimpleNamespace(source=source, targets=SimpleNamespace(names=columns))) == names

    images = [f"{row}.png" for row in range(N)]
    for name in images:
        Image.new("L", (64, 64)).save(tmp_path / name)
    summary = replace(found.summary, data=DataSource("table", root=str(tmp_path), landmarks=True, unit="px"))
    places = labels.worst_first()
    views = [View(None, (64, 64))] * len(flagged_rows(places))
    assert tuple(point["name"] for point in gallery_data(summary, labels, places, views)["points"]) == names
    folder = AuditFolder(tmp_path / "audit")
    folder.write(summary, labels, Pictures(tmp_path, tuple(images), (None,) * N))
    coco, fiftyone, studio = (tmp_path / f"{kind}.json" for kind in ("coco", "fiftyone", "studio"))
    for kind, path in (("coco", coco), ("fiftyone", fiftyone), ("label-studio", studio)):
        export_decisions(folder, [], path, kind)
    assert tuple(json.loads(coco.read_text())["categories"][0]["keypoints"]) == names
    assert tuple(json.loads(fiftyone.read_text())["default_skeleton"]["labels"]) == names
    regions = json.loads(studio.read_text())[0]["predictions"][0]["result"]
    assert tuple(region["value"]["keypointlabels"][0] for region in regions) == names
