import numpy as np

from deepgum.audit.reasons import Case
from deepgum.audit.reasons.fallbacks import Off, Shifted


def findings_of(case):
    return {finding.place: finding for reason in (Shifted(), Off()) for finding in reason.find(case)}


def case_of(scored, groups, landmarks, **more):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (80, 4))
    given = truth + rng.normal(0, 2, truth.shape)
    given[5] = truth[5] + [30, 40, 0, 1]
    labels = scored(given, truth, groups, sigma=2.0, width=200.0, target_names=("nose_x", "nose_y", "chin_x", "chin_y"))
    return Case.of(labels, landmarks=landmarks, **more)


def test_every_flag_gets_its_distance_in_the_unit_and_in_standard_deviations(scored):
    case = case_of(scored, "landmark", True, unit="px")
    findings = findings_of(case)
    assert set(findings) == set(case.places) == {(5, 0)}
    assert findings[5, 0].reason.name == "shifted"
    assert findings[5, 0].why == "50 px from its prediction, 25 standard deviations of right labels."


def test_values_are_off_not_shifted(scored):
    findings = findings_of(case_of(scored, "coordinate", False, unit="cm"))
    assert {finding.reason.name for finding in findings.values()} == {"off"}
    assert findings[5, 1].why == "40 cm from its prediction, 20 standard deviations of right labels."


def test_the_farthest_part_of_a_group_is_named(scored):
    shifted = findings_of(case_of(scored, "sample", True, unit="px"))[5, 0]
    assert shifted.why.startswith("nose is 50 px from its prediction, the farthest of 2; together 25 ")
    assert findings_of(case_of(scored, "sample", False))[5, 0].why.startswith(
        "nose_y is 40 from its prediction, the farthest"
    )


def test_the_prediction_is_suggested_with_the_right_labels_deviation(scored):
    covariance = np.array([[4.0, 1.0], [1.0, 9.0]])
    case = case_of(scored, "landmark", True, covariances=[covariance, covariance])
    finding = findings_of(case)[5, 0]
    np.testing.assert_array_equal(finding.suggested, case.labels.predicted[5, :2])
    np.testing.assert_allclose(finding.uncertainty, [2, 3], rtol=1e-6)


def test_the_spread_of_the_networks_adds_to_the_uncertainty(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (80, 2))
    given = truth + rng.normal(0, 2, truth.shape)
    given[5] += 60
    labels = scored(given, truth, "landmark", sigma=2.0, width=200.0, spread=np.full((80, 1), 4.0))
    finding = findings_of(Case.of(labels, landmarks=True, covariances=[4 * np.eye(2)]))[5, 0]
    # 4 px is the root mean square distance over both coordinates: 16 / 2 is the variance along each.
    np.testing.assert_allclose(finding.uncertainty, np.sqrt(4 + 8), rtol=1e-6)
