"""Reasons, suggestions and uncertainties of errors that the posterior knows."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum import audit_labels, score_labels


def table(seed=0, n=600):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(50, 100, size=n)
    return rng, truth, truth + rng.normal(size=n)


def test_a_lost_digit_has_its_reason_its_suggestion_and_a_small_uncertainty():
    _, predicted, given = table()
    given[:60] /= 10
    scored = score_labels(predicted, given, unit="kg")
    labels = scored.labels
    assert labels.flags[:60].all()
    assert not labels.flags[60:].any()
    assert {labels.kinds[row, 0] for row in range(60)} == {"unit"}
    np.testing.assert_allclose(labels.suggested[:60, 0], 10 * given[:60])
    assert (labels.uncertainty[:60] < 2.0).all()
    assert labels.why[0, 0].startswith("Multiplied by 10 it fits: ")
    assert "kg" in labels.why[0, 0]


def test_a_label_that_may_be_wrong_in_two_ways_has_a_large_uncertainty():
    rng, predicted, given = table()
    given[:60] /= 10
    given[60:120] = rng.uniform(0, 20, size=60)  # some of them happen to look like a lost digit
    scored = score_labels(predicted, given).labels
    certain = np.abs(10 * given - predicted) < 1
    named = np.array([scored.kinds.get((row, 0)) == "unit" for row in range(len(given))])
    assert named[:60][certain[:60]].all()
    assert named[60:120].sum() < 20
    assert scored.uncertainty[60:120][named[60:120]].min(initial=np.inf) > scored.uncertainty[:60].min()


def test_exchanged_axes_have_their_reason():
    rng = np.random.default_rng(0)
    predicted = np.array([30.0, 60.0, 80.0, 20.0]) + 4 * rng.normal(size=(400, 4))
    given = predicted + rng.normal(size=(400, 4))
    given[:20] = given[:20][:, [1, 0, 3, 2]]
    scored = score_labels(predicted, given, target_names=["nose_x", "nose_y", "chin_x", "chin_y"])
    kinds = [scored.labels.kinds[row, group] for row in range(20) for group in range(2)]
    assert kinds.count("axes") >= 36
    np.testing.assert_allclose(scored.labels.suggested[0], given[0, [1, 0, 3, 2]])
    assert any(each.name == "axes" for each in scored.summary.reasons)


@pytest.mark.parametrize("seed", range(4))
def test_random_ratings_get_no_unit(seed):
    rng = np.random.default_rng(seed)
    beauty = rng.normal(6, 1.5, 500)
    given = np.clip(np.round(beauty + rng.normal(0, 0.6, 500)), 1, 10)
    given[:100] = rng.integers(1, 11, 100)
    scored = score_labels(beauty + rng.normal(0, 0.5, 500), given)
    assert sum(kind == "unit" for kind in scored.labels.kinds.values()) <= 3


def test_an_audit_teaches_corrected_labels_and_finds_errors_that_features_share():
    # The feature `copied` has the same error as some of the labels, so that a learner of the labels predicts the error.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = 60 + 8 * X[:, 0] + 4 * X[:, 1] + rng.normal(size=600)
    copied = y + 3 * rng.normal(size=600)
    wrong = np.arange(600) < 50
    y[wrong] /= 10
    copied[40:70] /= 10
    audit = audit_labels(np.column_stack([X, copied]), y)
    flags = audit.labels.flags[:, 0]
    assert flags[wrong].mean() > 0.9
    assert flags[~wrong].mean() < 0.01
    assert audit.summary.share.low > 0.04
    assert not audit.summary.share.is_two_sided


def test_the_verdict_names_the_kinds_and_the_scale():
    _, predicted, given = table()
    given[:30] /= 10
    given[30:40] *= 100
    verdict = score_labels(predicted, given).summary.verdict
    assert verdict.startswith("About 6.7 % of the labels are wrong (")
    assert verdict.endswith(
        "About 5 % of the labels fit their predictions if multiplied by 10, and about 1.7 % if divided by 100."
    )
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 2))
    y = np.exp(3 + X @ [2.0, 1.0] + 0.2 * rng.normal(size=400))
    assert audit_labels(X, y).summary.inliers.endswith(", of logarithms of labels")
