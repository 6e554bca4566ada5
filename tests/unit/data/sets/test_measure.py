"""The unit of errors, its factor, and the distance above which a label counts as moved, in the scores of a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepgum.data.regression import RegressionData
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.registry import DATASETS
from deepgum.data.sets.request import Subset
from deepgum.experiments.runs.cells import make_cell
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.scoring import score_run
from deepgum.training import SGDOptions, TrainingResult
from deepgum.training.history import History

SGD = SGDOptions()


class Same(torch.nn.Module):
    """Predicts its inputs."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs


def result(flags: torch.Tensor | None, residuals: torch.Tensor) -> TrainingResult:
    return TrainingResult(
        model=Same(),
        residuals=residuals,
        responsibilities=None if flags is None else 1.0 - flags.double(),
        flags=flags,
        mixture=None,
        history=History(),
        seconds=0.0,
    )


def subset(offset: float, labels: np.ndarray) -> Subset:
    """Return samples whose inputs are the labels plus `offset`."""
    data = RegressionData.from_arrays((labels + offset).astype(np.float32), labels.astype(np.float32))
    return Subset(data, data, data)


def test_landmarks_are_measured_by_distance_and_ages_by_coordinate() -> None:
    labels = np.random.default_rng(0).uniform(0, 1, (30, 4))
    data = subset(0.03, labels)
    cell = make_cell(data, "uniform", 0.0, 0)
    residuals = data.train.targets - torch.as_tensor(data.train.inputs)
    points, _, _ = score_run(result(None, residuals), cell, "landmark", SGD, Measure("px", factor=224.0))
    assert points.mae == pytest.approx(224 * 0.03 * np.sqrt(2), rel=1e-4)
    assert points.rmse == pytest.approx(points.mae, rel=1e-4)
    assert points.failure_rate == 0
    assert points.nme == pytest.approx(0.03 * np.sqrt(2), rel=1e-4)
    angles, _, _ = score_run(result(None, residuals), cell, "sample", SGD, Measure("degrees", landmarks=False))
    assert angles.mae == pytest.approx(0.03, rel=1e-4)
    assert angles.failure_rate is None
    assert angles.nme is None


@pytest.mark.parametrize("factor", [1.0, 224.0])
def test_the_factor_scales_errors_and_neither_failures_nor_flags(factor: float) -> None:
    labels = np.random.default_rng(0).uniform(0, 1, (30, 4))
    data = subset(0.05, labels)
    cell = make_cell(data, "l-ugo", 0.4, 0)
    residuals = cell.train.targets - torch.as_tensor(data.train.inputs)
    flags = cell.corruption.outlier
    scores, _, predictions = score_run(result(flags, residuals), cell, "landmark", SGD, Measure("", factor=factor))
    assert scores.mae / factor == pytest.approx(0.05 * np.sqrt(2), rel=1e-4)
    assert scores.failure_rate == 1
    assert (scores.precision, scores.recall, scores.flagged) == (1, 1, pytest.approx(0.4))
    np.testing.assert_allclose(predictions.labels, factor * data.test.targets, rtol=1e-6)
    assert predictions.errors(landmarks=True).mean() == pytest.approx(scores.mae, rel=1e-5)


def test_recall_moved_ignores_labels_that_hardly_moved() -> None:
    labels = np.random.default_rng(0).integers(10, 60, (200, 1)).astype(float)
    data = subset(0.0, labels)
    cell = make_cell(data, "uniform", 0.5, 0)
    moved = cell.corruption.displacement
    residuals = cell.train.targets - torch.as_tensor(data.train.inputs)
    # The flags are the labels that moved by at least 5 years, not all labels that were drawn anew.
    measure = Measure("years", landmarks=False, moved=5.0)
    scores, _, _ = score_run(result(moved >= 5, residuals), cell, "sample", SGD, measure)
    assert (scores.precision, scores.recall_moved) == (1, 1)
    assert scores.recall == pytest.approx(float((moved >= 5).sum()) / 100)
    assert scores.recall < 1
    unmoved, _, _ = score_run(result(moved >= 20, residuals), cell, "sample", SGD, measure)
    assert unmoved.recall_moved == pytest.approx(float((moved >= 20).sum()) / float((moved > 5).sum()))


def test_the_options_of_a_table_say_whether_targets_are_points() -> None:
    for landmarks in (True, False):
        options = {"targets": ["x", "y"], "image": "file", "landmarks": landmarks}
        config = RunConfig.from_mapping({"data": {"name": "table", "folder": "t.csv", "options": options}})
        assert config.measure.landmarks is landmarks


def test_units_are_those_of_the_labels() -> None:
    units = {name: dataset.measure.unit for name, dataset in DATASETS.items()}
    assert units["cacd"] == units["utkface"] == "years"
    assert units["mcgill"] == units["head-pose"] == "degrees"
    # The paper measures fashion landmarks in pixels of an input of 224.
    assert (units["fld"], DATASETS["fld"].measure.factor) == ("px of 224", 224.0)
    assert all(dataset.measure.factor == 1 for name, dataset in DATASETS.items() if name != "fld")
