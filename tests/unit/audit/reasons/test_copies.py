from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.reasons import REASONS, Case, Evidence
from deepgum.audit.reasons.copies import Copy
from deepgum.errors import InvalidDataError


def ages(scored, given, predicted=None, **more):
    rng = np.random.default_rng(0)
    truth = np.full((len(given), 1), 30.0) if predicted is None else np.array(predicted)[:, None]
    others = rng.uniform(10, 80, (100, 1))
    given = np.concatenate([np.array(given)[:, None], others + rng.normal(0, 3, others.shape)])
    return scored(given, np.concatenate([truth, others]), sigma=3.0, width=100.0, **more)


def case_of(labels, *conflicts, **more):
    return Case.of(labels, unit="years", evidence=Evidence(conflicts=conflicts), **more)


def by_place(case):
    return {finding.place: finding for finding in Copy().find(case)}


def findings_of(labels, *conflicts):
    return by_place(case_of(labels, *conflicts))


def is_settled(finding):
    """Whether the finding comes before the explanations."""
    return (Copy.rank if finding.rank is None else finding.rank) < REASONS["unit"].rank


def test_a_flagged_label_gets_its_copys_label(scored):
    findings = findings_of(ages(scored, [60.0, 31.0]), ("s0", "s1"))
    assert set(findings) == {(0, 0)}
    finding = findings[0, 0]
    assert finding.reason.name == "copy"
    assert finding.suggested == [31.0]
    assert is_settled(finding)
    assert finding.why == "'s1' has the same content and another label, 31 years, which fits better."
    assert finding.uncertainty[0] < 2


def test_the_label_of_the_copy_nearest_to_the_prediction_is_suggested(scored):
    findings = findings_of(ages(scored, [60.0, 44.0, 31.0, 62.0]), ("s0", "s1", "s2", "s3"))
    assert {row for row, _ in findings} == {0, 1, 3}
    assert {finding.suggested[0] for finding in findings.values()} == {31.0}


def test_if_no_copy_fits_the_prediction_is_suggested(scored):
    findings = findings_of(ages(scored, [60.0, 70.0]), ("s0", "s1"))
    assert set(findings) == {(0, 0), (1, 0)}
    assert not any(map(is_settled, findings.values()))
    np.testing.assert_allclose([finding.suggested[0] for finding in findings.values()], 30)
    assert "neither label is near the prediction" in findings[0, 0].why


def test_two_labels_that_fit_make_the_choice_uncertain(scored):
    close = findings_of(ages(scored, [60.0, 31.0, 31.0]), ("s0", "s1", "s2"))[0, 0]
    apart = findings_of(ages(scored, [60.0, 27.0, 33.0]), ("s0", "s1", "s2"))[0, 0]
    assert close.uncertainty[0] < 2 < apart.uncertainty[0]
    # Both are equally near, so one is right with a probability of a half: six years off or none.
    np.testing.assert_allclose(apart.uncertainty, np.sqrt(6**2 / 2), rtol=0.05)


def test_a_copy_with_the_same_label_or_none_gives_no_finding(scored):
    assert findings_of(ages(scored, [60.0, 60.0, np.nan]), ("s0", "s1", "s2")) == {}


def test_only_groups_with_different_labels_get_a_finding(scored):
    truth = np.zeros((60, 4))
    given = np.random.default_rng(0).normal(0, 1, truth.shape)
    given[:2] = 40.0
    given[1, 2:] = 0.5
    case = case_of(scored(given, truth, "landmark", width=100.0), ("s0", "s1"), landmarks=True)
    assert set(by_place(case)) == {(0, 1)}


def test_angles_are_compared_by_their_period(scored):
    labels = ages(scored, [180.0, -180.0, -150.0], [20.0, 20.0, 20.0], periods=(360.0,))
    findings = findings_of(labels, ("s0", "s1", "s2"))
    assert "-150" in findings[0, 0].why
    assert "-180" not in findings[0, 0].why


def test_conflicts_of_unknown_samples_are_refused(scored):
    with pytest.raises(InvalidDataError, match=r"`conflicts` should name ids.*stranger"):
        findings_of(ages(scored, [60.0, 31.0]), ("s0", "stranger"))


def test_a_copys_label_may_fit_across_the_end_of_a_period(scored):
    findings = findings_of(ages(scored, [60.0, -179.0], [179.0, 179.0], periods=(360.0,)), ("s0", "s1"))
    assert findings[0, 0].suggested == [-179.0]
    assert is_settled(findings[0, 0])


def test_the_uncertainty_of_a_copys_label_is_that_of_the_choice(scored):
    case = case_of(ages(scored, [60.0, 36.0]), ("s0", "s1"))
    finding = by_place(case)[0, 0]
    (log_odds,) = case.log_odds_right(np.array([[6.0]]), np.array([0]), 0)
    neither = 1 / (1 + np.exp(log_odds))
    assert 0.005 < neither < 0.3
    # If neither label is right, a right one lies about the prediction, 30, which is 6 off.
    np.testing.assert_allclose(finding.uncertainty**2, neither * (6**2 + case.covariances[0][0, 0]))


def contradicted(labels, *rows):
    """The same labels, all of these rows flagged: at most one of them is right."""
    responsibilities = labels.responsibilities.copy()
    responsibilities[list(rows)] = np.minimum(responsibilities[list(rows)], 0.45)
    return replace(labels, responsibilities=responsibilities)


def test_all_copies_get_the_same_suggestion(scored):
    findings = findings_of(contradicted(ages(scored, [31.0, 41.0]), 0, 1), ("s0", "s1"))
    assert {finding.suggested[0] for finding in findings.values()} == {31.0}
    assert findings[0, 0].why == "'s1' has the same content and another label, 41 years; this label fits better."
    assert findings[1, 0].why == "'s0' has the same content and another label, 31 years, which fits better."
    np.testing.assert_allclose(findings[0, 0].uncertainty, findings[1, 0].uncertainty)


def test_labels_that_fit_equally_well_are_described_so(scored):
    findings = findings_of(contradicted(ages(scored, [28.0, 31.0]), 0, 1), ("s0", "s1"))
    assert {finding.suggested[0] for finding in findings.values()} == {31.0}
    assert all(finding.why.endswith("years, which fits equally well.") for finding in findings.values())
    assert 0.5 < findings[0, 0].uncertainty[0] < 3
