"""Columns of visibilities in a frame of landmarks are no labels: a landmark with visibility 0 is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deepgum.audit.out_of_fold.audit_labels import audit_labels
from deepgum.audit.scoring.score import score_labels

N = 60
POINTS = ["nose_x", "nose_y", "tail_x", "tail_y"]
pytestmark = pytest.mark.usefixtures("gaussian_scores")


def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions, and labels with visibilities; the labels that are not visible are far off."""
    rng = np.random.default_rng(0)
    predicted = pd.DataFrame(rng.uniform(20, 90, (N, 4)), columns=POINTS)
    given = predicted + rng.normal(0, 1, (N, 4))
    given.insert(2, "nose_visibility", 2)
    given["tail_v"] = 1
    given.loc[3:7, ["nose_x", "nose_y", "nose_visibility"]] = 0
    given.loc[9, ["tail_x", "tail_y", "tail_v"]] = 0
    return predicted, given


def test_scores_take_visibilities_as_what_they_are() -> None:
    predicted, given = made()
    plain = given[POINTS].copy()
    plain.loc[3:7, ["nose_x", "nose_y"]] = np.nan
    plain.loc[9, ["tail_x", "tail_y"]] = np.nan
    scored, expected = score_labels(predicted, given), score_labels(predicted, plain)
    assert scored.labels.group_names == ("nose", "tail")
    np.testing.assert_array_equal(scored.labels.responsibilities, expected.labels.responsibilities)
    (notice,) = (each for each in scored.summary.notices if "nose_visibility" in each)
    assert "6 of 120 landmarks have visibility 0 and are missing" in notice


def test_a_mark_of_missing_points_is_looked_for_among_the_coordinates() -> None:
    predicted, given = made()
    given["nose_visibility"] = given["tail_v"] = 2
    scored = score_labels(predicted, given, missing=(0, 0))
    assert np.isnan(scored.labels.given).sum() == 12


def test_visibilities_that_are_predicted_too_are_labels() -> None:
    predicted, given = made()
    wide = given.copy()
    wide[POINTS] = predicted
    wide[["nose_visibility", "tail_v"]] += 0.1 * np.random.default_rng(1).normal(size=(N, 2))
    assert score_labels(wide, given).labels.target_names == tuple(given.columns)


def test_visibilities_beside_other_labels_than_landmarks_are_labels() -> None:
    predicted, given = made()
    given["age"] = np.random.default_rng(1).uniform(20, 60, N)
    assert audit_labels(predicted, given, n_folds=2, most_rounds=1).labels.target_names == tuple(given.columns)


def test_an_audit_takes_visibilities_as_what_they_are() -> None:
    predicted, given = made()
    scored = audit_labels(predicted, given, n_folds=2, most_rounds=1)
    assert scored.labels.target_names == tuple(POINTS)
    assert scored.labels.group_names == ("nose", "tail")
    assert np.isnan(scored.labels.given[3:8, :2]).all()
    assert np.isnan(scored.labels.given).sum() == 12
    assert any("nose_visibility" in each for each in scored.summary.notices)
    alone = audit_labels(predicted, given, groups="coordinate", n_folds=2, most_rounds=1)
    assert alone.labels.target_names == tuple(given.columns)
