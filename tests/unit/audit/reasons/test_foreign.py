import numpy as np
import pytest

from deepgum.audit.reasons import Case, weigh
from deepgum.audit.reasons.foreign import Foreign

N = 400


def case_of(scored, faces, change, groups="landmark", seed=0):
    rng = np.random.default_rng(seed)
    truth = faces(N, rng)
    given = truth + rng.normal(0, 1.5, truth.shape)
    change(given, rng)
    return Case.of(scored(given, truth, groups, sigma=1.5, width=200.0), landmarks=True, unit="px")


def findings_of(case):
    return {finding.place: finding for finding in weigh(case, list(Foreign().find(case))).findings()}


@pytest.mark.parametrize("groups", ["landmark", "sample"])
def test_labels_of_another_sample_are_found_and_the_sample_is_named(scored, faces, groups):
    def change(given, rng):
        given[:6] = given[100:106]

    case = case_of(scored, faces, change, groups)
    findings = findings_of(case)
    assert {row for row, _ in findings} == set(range(6))
    for (row, group), finding in findings.items():
        assert finding.reason.name == "foreign"
        assert f"'s{100 + row}'" in finding.why
        columns = list(case.labels.partition[group])
        np.testing.assert_array_equal(finding.suggested, case.labels.predicted[row, columns])
        np.testing.assert_allclose(finding.uncertainty, 1.5, rtol=0.3)


def test_the_sample_is_named_despite_missing_labels(scored, faces):
    def change(given, rng):
        given[:6] = given[100:106]
        given[:6, 4:6] = np.nan
        given[:6, 0] = np.nan

    findings = findings_of(case_of(scored, faces, change))
    assert set(findings) == {(row, group) for row in range(6) for group in (0, 1, 3, 4)}
    named = {row for (row, _), finding in findings.items() if "'s" in finding.why}
    assert len(named) > 3
    assert all(f"'s{100 + row}'" in findings[row, 0].why for row in named)


@pytest.mark.parametrize("some", [[], [4]])
def test_samples_without_a_prediction_of_a_missing_label_are_no_obstacle(scored, faces, some):
    """A model may predict some landmarks of an image only; `some` are missing labels of the foreign samples."""
    rng = np.random.default_rng(0)
    predicted = faces(N, rng)
    given = predicted + rng.normal(0, 1.5, predicted.shape)
    given[:6] = given[100:106]
    given[:6, some] = np.nan
    predicted[200:300, 2:4], given[200:300, 2:4] = np.nan, np.nan
    findings = findings_of(
        Case.of(scored(given, predicted, "landmark", sigma=1.5, width=200.0), landmarks=True, unit="px")
    )
    assert {row for row, _ in findings} == set(range(6))
    named = {row for (row, _), finding in findings.items() if f"'s{100 + row}'" in finding.why}
    assert len(named) > 3


@pytest.mark.parametrize("groups", ["landmark", "sample"])
def test_a_face_from_elsewhere_is_foreign_and_no_sample_is_named(scored, faces, groups):
    def change(given, rng):
        given[:8] = faces(8, rng) + 30

    findings = findings_of(case_of(scored, faces, change, groups))
    assert {row for row, _ in findings} == set(range(8))
    assert not any("'s" in finding.why for finding in findings.values())


def test_if_few_labels_are_wrong_several_in_one_sample_have_one_cause(scored, faces):
    def change(given, rng):
        given[0] = rng.uniform(0, 250, 10)

    assert {row for row, _ in findings_of(case_of(scored, faces, change))} == {0}


def test_independently_wrong_landmarks_are_not_foreign(scored, faces):
    def change(given, rng):
        wrong = np.repeat(rng.random((N, 5)) < 0.3, 2, axis=1)
        given[wrong] = rng.uniform(0, 250, wrong.sum())

    case = case_of(scored, faces, change)
    assert case.flags.sum() > 0.25 * 5 * N
    assert len(findings_of(case)) < 0.01 * case.flags.sum()


def test_one_wrong_landmark_does_not_make_a_sample_foreign(scored, faces):
    def change(given, rng):
        given[:20, 4:6] += 40

    for groups in ("landmark", "sample"):
        assert findings_of(case_of(scored, faces, change, groups)) == {}


def test_a_single_number_is_never_foreign(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 90, (300, 1))
    given = truth + rng.normal(0, 1, truth.shape)
    given[:60] = rng.permutation(given[:60])
    case = Case.of(scored(given, truth), landmarks=False)
    assert case.flags.any()
    assert list(Foreign().find(case)) == []


def test_angles_are_compared_by_their_period(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-180, 180, (N, 3))
    given = (truth + rng.normal(0, 1, truth.shape) + 180) % 360 - 180
    truth[100] = 179.9, -179.9, 180.0
    given[[0, 100]] = -179.9, 179.9, -180.0
    labels = scored(given, truth, "sample", width=360.0, periods=(360.0,) * 3)
    case = Case.of(labels, landmarks=False, unit="degrees")
    findings = findings_of(case)
    assert list(findings) == [(0, 0)]
    assert "fits 's100'" in findings[0, 0].why
