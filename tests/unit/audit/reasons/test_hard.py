from dataclasses import replace

import numpy as np

from deepgum.audit.reasons import Case
from deepgum.audit.reasons.hard import Hard


def findings_of(case):
    return {finding.place: finding for finding in Hard().find(case)}


def case_of(scored, spread_of_flagged, away=20.0, usual=1.0, scale=1.0):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (300, 1))
    given = truth + rng.normal(0, 2, truth.shape)
    given[:10] = truth[:10] + away
    given[10:20] = truth[10:20] + 60
    spread = np.full((300, 1), usual)
    spread[:10] = spread_of_flagged
    labels = scored(scale * given, scale * truth, sigma=2.0 * scale, width=200.0 * scale, spread=scale * spread)
    return Case.of(labels, landmarks=False, unit="years")


def test_a_label_within_the_spread_of_the_networks_is_hard(scored):
    case = case_of(scored, 12.0)
    findings = findings_of(case)
    assert set(findings) == {(row, 0) for row in range(10)}
    assert case.flags[:20].all()
    finding = findings[3, 0]
    assert finding.reason.name == "hard"
    assert finding.why == (
        "The networks disagree by 12 years about this sample (1 is usual), and the label is 20 years from the "
        "mean prediction: it may well be right."
    )
    assert finding.suggested is finding.uncertainty is None


def test_a_label_far_beyond_the_spread_is_not_hard(scored):
    assert findings_of(case_of(scored, 4.0)) == {}


def test_the_usual_spread_makes_no_label_hard(scored):
    assert findings_of(case_of(scored, 12.0, usual=12.0)) == {}


def test_a_label_is_hard_if_it_is_not_flagged_with_the_spread_counted(scored):
    case = case_of(scored, 12.0)
    wrong, variance = case.wrong[0], case.covariances[0][0, 0] + 12.0**2 - 1
    right = np.exp(-0.5 * 20**2 / variance) / np.sqrt(2 * np.pi * variance)
    odds = (1 - wrong) / wrong * right / np.exp(case.log_densities[0])
    np.testing.assert_allclose(case.log_odds_right(np.array([[20.0]]), np.array([3]), 0), np.log(odds))
    assert odds > 1


def test_another_unit_makes_no_label_harder(scored):
    assert set(findings_of(case_of(scored, 12.0))) == set(findings_of(case_of(scored, 12.0, scale=1000.0)))


def test_without_a_spread_nothing_is_hard(scored):
    labels = case_of(scored, 12.0).labels
    again = scored(labels.given, labels.predicted, sigma=2.0)
    assert findings_of(Case.of(again, landmarks=False)) == {}


def test_a_flagged_label_is_not_hard_if_the_networks_agree(scored):
    labels = case_of(scored, 1.0).labels
    responsibilities = labels.responsibilities.copy()
    responsibilities[50] = 0.4
    case = Case.of(replace(labels, responsibilities=responsibilities), landmarks=False)
    assert (50, 0) in case.places
    assert findings_of(case) == {}
