import numpy as np
import pytest

from deepgum.audit.reasons import Case, Evidence
from deepgum.audit.reasons.outside import Outside
from deepgum.errors import InvalidDataError


def case_of(scored, change=None, sizes=(250.0, 200.0), landmarks=True):
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 180, (50, 4))
    given = truth + rng.normal(0, 1, truth.shape)
    given[:4] = truth[:4] + 0.1
    given[0, 0], given[1, 1], given[2, 2], given[3, 0] = -5.0, 205.0, 251.0, 244.0
    if change:
        change(given, truth)
    labels = scored(given, truth, "landmark", width=300.0)
    evidence = Evidence() if sizes is None else Evidence(sizes=lambda rows: np.tile(sizes, (50, 1)))
    return Case.of(labels, landmarks=landmarks, unit="px", evidence=evidence)


def findings_of(case):
    return {finding.place: finding for finding in Outside().find(case)}


def test_flagged_landmarks_beyond_any_edge_are_found_and_others_are_not(scored):
    case = case_of(scored)
    findings = findings_of(case)
    assert set(findings) == {(0, 0), (1, 0), (2, 1)}
    assert (3, 0) in case.places
    assert all(finding.reason.name == "outside" for finding in findings.values())
    np.testing.assert_array_equal(findings[2, 1].suggested, case.labels.predicted[2, 2:])
    assert "is outside the image of 250 x 200 px" in findings[0, 0].why
    assert findings[0, 0].why.startswith("(-5, ")


def test_a_landmark_predicted_beyond_the_edge_is_not_reported(scored):
    def change(given, truth):
        truth[0, 0] = -40.0

    assert set(findings_of(case_of(scored, change))) == {(1, 0), (2, 1)}


def test_landmarks_that_are_not_flagged_are_not_reported(scored):
    def change(given, truth):
        truth[10, 0], given[10, 0] = 0.5, -0.5

    assert (10, 0) not in findings_of(case_of(scored, change))


def test_without_sizes_or_landmarks_nothing_is_reported(scored):
    assert findings_of(case_of(scored, sizes=None)) == {}
    assert findings_of(case_of(scored, sizes=(np.nan, np.nan))) == {}
    assert findings_of(case_of(scored, landmarks=False)) == {}


def test_sizes_of_another_shape_are_refused(scored):
    labels = case_of(scored).labels
    with pytest.raises(InvalidDataError, match=r"`sizes` should have the shape \(50, 2\)"):
        Case.of(labels, landmarks=True, evidence=Evidence(sizes=lambda rows: np.ones((50, 3))))
