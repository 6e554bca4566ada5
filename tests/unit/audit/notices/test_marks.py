"""Values that may mark a missing label: they are found, told first, and do not disturb the verdict on other labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from deepgum import audit_labels, score_labels
from deepgum.audit.notices.marks import find_marks, lonely_marks
from deepgum.audit.scoring.score_table import score_table

N = 800


@pytest.fixture(scope="module")
def weights():
    """Predictions, labels with 32 wrong ones among them, and which labels are missing."""
    rng = np.random.default_rng(1)
    predicted = rng.normal(60, 12, N)
    given = (predicted + rng.normal(0, 2, N)).round(1)
    given[:32] = rng.uniform(20, 100, 32)
    missing = rng.random(N) < 0.15
    missing[:32:4] = True
    return predicted, given, missing


@pytest.mark.case(3)
@pytest.mark.parametrize("value", [-9999.0, -1.0, 0.0, 999.0, 65535.0, 1e20, 2.0**31 - 1])
def test_other_labels_are_judged_as_if_the_marked_ones_were_missing(weights, value):
    predicted, given, missing = weights
    cells = score_labels(predicted, np.where(missing, np.nan, given))
    marked = score_labels(predicted, np.where(missing, value, given))
    assert not cells.summary.notices
    (notice,) = marked.summary.notices
    shown = f"{value:.0f}" if value < 1e15 else repr(value)
    assert f"{missing.sum()} labels have the very same value, {shown}," in notice
    assert f"--missing={shown} " in notice
    np.testing.assert_array_equal(marked.labels.flags[~missing], cells.labels.flags[~missing])
    assert marked.summary.share == cells.summary.share
    assert marked.labels.flags[missing].all()
    assert {marked.labels.kinds[row, 0] for row in np.flatnonzero(missing)} == {"mark"}
    assert np.isnan(marked.labels.suggested[missing]).all()
    assert all(flag.kind != "mark" for flag in marked.worst)
    assert marked.summary.groups[0].marked == missing.sum()
    assert "count in no share" in marked.summary.verdict


@pytest.mark.case(4)
def test_points_that_mark_missing_landmarks_are_found_in_all_landmarks_together():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(20, 200, size=(150, 8))
    given = predicted + rng.normal(0, 2, size=(150, 8))
    missing = np.repeat(rng.random((150, 4)) < 0.03, 2, axis=1)
    names = [f"p{k}_{axis}" for k in range(4) for axis in "xy"]
    scored = score_labels(predicted, np.where(missing, -1.0, given), target_names=names)
    count = missing.sum() // 2
    assert f"{count} landmarks are exactly (-1, -1)" in scored.summary.notices[0]
    kinds = list(scored.labels.kinds.values())
    assert kinds.count("mark") == count == sum(group.marked for group in scored.summary.groups)
    assert len(kinds) - count <= 2
    # A zero in one coordinate only is a landmark at the border.
    given[:20, 0] = predicted[:20, 0] = 0.0
    assert not score_labels(predicted, given, target_names=names).summary.notices


def test_long_tables_count_marks_in_all_rows(tmp_path, weights):
    predicted, given, missing = weights
    path = tmp_path / "weights.csv"
    frame = pd.DataFrame({"w": np.where(missing, -99.0, given), "pred_w": predicted})
    pd.concat([frame] * 3).to_csv(path, index=False)
    streamed = score_table(path, in_memory=0)
    assert f"{3 * missing.sum()} labels have the very same value, -99," in streamed.summary.notices[0]
    assert streamed.summary.notices == score_table(path).summary.notices


def test_learners_are_not_taught_marks_that_lie_alone(weights):
    _, _, missing = weights
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, 3))
    y = 50 + X @ [5.0, 3.0, 1.0] + rng.normal(0, 0.5, N)
    y[:40] += 15
    cells = audit_labels(X, np.where(missing, np.nan, y), LinearRegression())
    marked = audit_labels(X, np.where(missing, -9999.0, y), LinearRegression())
    assert "-9999" in marked.summary.notices[0]
    np.testing.assert_array_equal(marked.labels.flags[~missing], cells.labels.flags[~missing])
    assert (marked.labels.given[missing] == -9999).all()
    assert marked.labels.flags[missing].all()


def no_marks():
    rng = np.random.default_rng(4)
    truth = rng.normal(2, 2, 2000)
    near = truth + rng.normal(0, 0.1, 2000)
    zeros = np.where(rng.random(2000) < 0.5, 0.0, rng.gamma(3, 10, 2000))
    rare = np.where(rng.random(2000) < 0.02, 1.0, 0.0)
    stars = rng.integers(1, 6, 2000).astype(float)
    default = np.where(rng.random(2000) < 0.1, 3.0, stars)
    yield "cut from above, predictions are not", np.minimum(truth, 3.0), near
    yield "cut from below, predictions are not", np.maximum(truth, 0.5), near
    yield "no rain", zeros, np.where(zeros, zeros + rng.normal(0, 3, 2000), np.abs(rng.normal(0, 3, 2000)))
    yield "no rain, with poor predictions", zeros, 0.5 * zeros + rng.gamma(2, 4, 2000)
    yield "a rare class that nobody can predict", rare, np.abs(rng.normal(0.02, 0.01, 2000))
    yield "ratings", stars, np.clip(stars + rng.choice([-1, 0, 0, 0, 1], 2000), 1, 5)
    yield "ratings with wrong ones", default, stars
    yield "rounded", truth.round(), near
    yield "a detection limit", np.where(truth < 1, 0.0, truth), near


@pytest.mark.case(3)
@pytest.mark.parametrize(
    ("what", "given", "predicted"), list(no_marks()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_values_that_recur_for_other_reasons_are_no_marks(what, given, predicted):
    assert find_marks(given[:, None], predicted[:, None], [(0,)]) == ()


@pytest.mark.case(3)
def test_a_value_alone_is_a_mark_unless_predictions_expect_it():
    labels = np.append(np.linspace(10.0, 20.0, 90), [500.0] * 10)[:, None]
    (mark,) = lonely_marks(labels)
    assert mark.value == (500.0,)
    assert mark.mask(labels).sum() == 10
    assert lonely_marks(labels, labels) == ()
    assert lonely_marks(labels[:94]) == ()  # four labels only
    assert lonely_marks(np.append(labels[:90], np.linspace(490.0, 500.0, 10)[:, None])[:, None]) == ()
