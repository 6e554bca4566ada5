"""The groups of a training by the names of its targets, and the warning that most labels are flagged."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from deepgum import DeepGUMOptions, DeepGUMRegressor, RegressionData, ResponsibilityTracker, SGDOptions, fit_deepgum
from deepgum.errors import DeepGUMWarning
from deepgum.experiments.runs.config import RunConfig
from deepgum.training.options import PRESETS

POINTS = ["nose_x", "nose_y", "chin_x", "chin_y"]
FEW = SGDOptions(epochs_max=4)


def line(n: int = 200, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=generator)
    return x, x @ torch.randn(3, d, generator=generator)


@pytest.mark.parametrize(
    ("names", "options", "groups"),
    [
        (POINTS, None, 2),
        (["yaw", "pitch", "roll", "age"], None, 1),
        (["x1", "x2", "y1", "y2"], None, 1),  # the order is not x y x y
        (POINTS, DeepGUMOptions(groups="sample"), 1),
        (POINTS, DeepGUMOptions(groups="coordinate"), 4),
        (["yaw", "pitch", "roll", "age"], DeepGUMOptions(groups="landmark"), 2),
    ],
)
def test_names_decide_if_the_user_does_not(names: list[str], options: DeepGUMOptions | None, groups: int) -> None:
    x, y = line()
    train = RegressionData.from_arrays(x, y, target_names=names)
    result = fit_deepgum(torch.nn.Linear(3, 4), train, train, options=options, sgd=FEW)
    assert result.responsibilities is not None
    assert result.responsibilities.shape[1] == groups
    tracker = ResponsibilityTracker(200, options=options, target_names=names)
    for _ in range(tracker.warmup_epochs):
        tracker.record(torch.arange(200), torch.randn(200, 4, generator=torch.Generator().manual_seed(1)))
        tracker.update()
    assert tracker.responsibilities.shape[1] == groups


def test_a_tracker_without_names_and_the_presets_of_the_paper_keep_samples() -> None:
    assert ResponsibilityTracker(10).options.groups == "sample"
    for name in ("paper", "alternate", "authors-code"):
        assert PRESETS[name].for_targets(POINTS).groups == "sample"
    assert DeepGUMOptions.preset("paper", groups="landmark").groups == "landmark"
    assert DeepGUMOptions() == DeepGUMOptions(groups="sample")  # the settings of earlier trainings


def test_the_columns_of_a_frame_decide_for_the_regressor() -> None:
    x, y = line(120)
    for names, groups in ((POINTS, 2), (["a", "b", "c", "d"], 1)):
        for options in ({"max_epochs": 2}, {"max_epochs": 2, "schedule": "interleaved"}):
            regressor = DeepGUMRegressor(random_state=0, **options).fit(x.numpy(), pd.DataFrame(y, columns=names))
            assert regressor.inlier_probability_.shape == (120, groups)
    assert DeepGUMRegressor(max_epochs=2).fit(x.numpy(), y.numpy()).inlier_probability_.shape == (120, 1)


def test_a_table_of_landmarks_is_trained_by_landmark() -> None:
    data = {"name": "table", "folder": "t.csv", "options": {"targets": POINTS, "image": "file", "landmarks": True}}
    assert RunConfig.from_mapping({"data": data}).groups == "landmark"
    plain = {**data, "options": {"targets": POINTS, "image": "file"}}
    assert RunConfig.from_mapping({"data": plain}).groups == "sample"
    assert RunConfig.from_mapping({"data": data, "method": {"groups": "sample"}}).groups == "sample"


def judged(groups: str | None, share: float, names: list[str] = POINTS) -> list[str]:
    """The warnings of a tracker with residuals of which a share of the samples has one far coordinate."""
    generator = np.random.default_rng(0)
    residuals = generator.normal(0, 0.01, (400, 4))
    wrong = generator.random(400) < share
    residuals[wrong, generator.integers(0, 4, 400)[wrong]] = generator.uniform(-3, 3, wrong.sum())
    tracker = ResponsibilityTracker(400, options=DeepGUMOptions(groups=groups), target_names=names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(7):
            tracker.record(torch.arange(400), torch.from_numpy(residuals).float())
            tracker.update()
            if tracker.mixture is not None:
                assert tracker.flags.shape[0] == 400
    return [str(each.message) for each in caught if issubclass(each.category, DeepGUMWarning)]


def test_a_warning_says_that_most_samples_are_flagged_and_what_to_give() -> None:
    told = judged("sample", 0.65)
    assert len(told) == 1  # once, and not in every epoch
    assert told[0].startswith(("6", "7"))
    assert " % of the samples are flagged" in told[0]
    assert "all 4 labels of a sample are right or wrong together" in told[0]
    assert "groups='landmark'" in told[0]


def test_no_warning_where_the_groups_fit_or_few_labels_are_flagged() -> None:
    assert judged("landmark", 0.65) == judged(None, 0.65) == judged("coordinate", 0.65) == []
    assert judged("sample", 0.3) == []
