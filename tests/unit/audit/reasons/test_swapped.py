from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.reasons import Case, weigh
from deepgum.audit.reasons.swapped import Swapped
from deepgum.errors import InvalidParameterError

PAIRS = ((0, 1), (3, 4))
EYES, ALL = [2, 3, 0, 1, 4, 5, 6, 7, 8, 9], [2, 3, 0, 1, 4, 5, 8, 9, 6, 7]
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def case_of(scored, faces, change, n=200, seed=0, groups="landmark"):
    rng = np.random.default_rng(seed)
    truth = faces(n, rng)
    right = truth + rng.normal(0, 1.5, truth.shape)
    given = right.copy()
    change(given, rng)
    names = NAMES if groups == "landmark" else ("face",)
    labels = scored(given, truth, groups, sigma=1.5, width=200.0, group_names=names)
    return Case.of(labels, landmarks=True, swap_pairs=PAIRS, unit="px"), right


def findings_of(case):
    return {finding.place: finding for finding in weigh(case, list(Swapped().find(case))).findings()}


def test_exchanged_eyes_are_found_and_each_gets_the_others_label(scored, faces):
    def change(given, rng):
        given[7] = given[7, EYES]

    case, right = case_of(scored, faces, change)
    findings = findings_of(case)
    assert set(findings) == {(7, 0), (7, 1)}
    for group in (0, 1):
        finding = findings[7, group]
        assert finding.reason.name == "swapped"
        np.testing.assert_array_equal(finding.suggested, right[7, 2 * group : 2 * group + 2])
        # Far more precise than a prediction: it is the label itself.
        assert (finding.uncertainty < 0.2).all()
    assert findings[7, 0].why.startswith("Exchanged with right_eye it fits: ")
    assert " px from the prediction, not " in findings[7, 0].why


def test_only_flagged_labels_get_a_reason(scored, faces):
    def change(given, rng):
        given[7] = given[7, EYES]

    case, right = case_of(scored, faces, change)
    responsibilities = case.labels.responsibilities.copy()
    responsibilities[7, 1] = 0.9
    case = Case.of(replace(case.labels, responsibilities=responsibilities), landmarks=True, swap_pairs=PAIRS)
    findings = findings_of(case)
    assert set(findings) == {(7, 0)}
    np.testing.assert_array_equal(findings[7, 0].suggested, right[7, :2])


def test_the_labels_of_a_mirrored_face_are_found_in_all_pairs(scored, faces):
    def change(given, rng):
        given[[3, 5]] = given[[3, 5]][:, ALL]

    findings = findings_of(case_of(scored, faces, change)[0])
    assert set(findings) == {(row, group) for row in (3, 5) for group in (0, 1, 3, 4)}


def test_in_one_group_all_labels_of_the_sample_are_corrected(scored, faces):
    def change(given, rng):
        given[2] = given[2, EYES]
        given[4] = given[4, ALL]

    case, right = case_of(scored, faces, change, groups="sample")
    findings = findings_of(case)
    assert set(findings) == {(2, 0), (4, 0)}
    np.testing.assert_array_equal(findings[2, 0].suggested, right[2])
    np.testing.assert_array_equal(findings[4, 0].suggested, right[4])
    assert "With landmark 0 and landmark 1 exchanged it fits" not in findings[4, 0].why
    assert "t" in findings[2, 0].why


def test_a_label_at_its_unlabelled_partners_place_belongs_to_the_partner(scored, faces):
    def change(given, rng):
        given[9, :2] = given[9, 2:4]
        given[9, 2:4] = np.nan

    case, _ = case_of(scored, faces, change)
    findings = findings_of(case)
    assert set(findings) == {(9, 0)}
    assert "fits right_eye, which has no label." in findings[9, 0].why
    np.testing.assert_allclose(findings[9, 0].suggested, case.labels.predicted[9, :2])
    assert (findings[9, 0].uncertainty > 1).all()


def test_a_shifted_eye_is_not_an_exchanged_one(scored, faces):
    def change(given, rng):
        given[:20, :2] += rng.choice([-1, 1], (20, 2)) * rng.uniform(15, 40, (20, 2))

    assert findings_of(case_of(scored, faces, change)[0]) == {}


def test_a_label_on_its_correctly_labelled_partner_is_not_exchanged(scored, faces):
    def change(given, rng):
        given[5, :2] = given[5, 2:4]

    assert findings_of(case_of(scored, faces, change)[0]) == {}


def test_random_labels_are_rarely_called_exchanged(scored, faces):
    def change(given, rng):
        given[:10_000, :4] = rng.uniform(60, 190, (10_000, 4))

    case, _ = case_of(scored, faces, change, n=40_000)
    assert case.flags[:10_000, :2].mean() > 0.95
    assert len(findings_of(case)) < 0.005 * 20_000


def test_without_pairs_nothing_is_exchanged(scored, faces):
    case, _ = case_of(scored, faces, lambda given, rng: None)
    assert list(Swapped().find(Case.of(case.labels, landmarks=True))) == []


@pytest.mark.parametrize("pairs", [((0, 5),), ((0, 1), (1, 2)), ((0, 0),), ((0, 1, 2),)])
def test_pairs_of_other_landmarks_are_refused(scored, faces, pairs):
    case, _ = case_of(scored, faces, lambda given, rng: None)
    with pytest.raises(InvalidParameterError, match="swap_pairs"):
        Case.of(case.labels, landmarks=True, swap_pairs=pairs)


def test_swap_pairs_without_landmarks_are_refused(scored, faces):
    case, _ = case_of(scored, faces, lambda given, rng: None)
    with pytest.raises(InvalidParameterError, match="swap_pairs"):
        Case.of(case.labels, landmarks=False, swap_pairs=PAIRS)
