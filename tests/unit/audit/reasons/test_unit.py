import math

import numpy as np
import pytest

from deepgum.audit.reasons import Case, Evidence, weigh
from deepgum.audit.reasons.conversions import POINT_CONVERSIONS, VALUE_CONVERSIONS
from deepgum.audit.reasons.unit import Unit

N = 600


def heights(scored, spoil, *, n=N, sigma=2.0, seed=0, digits=None, **more):
    rng = np.random.default_rng(seed)
    truth = rng.normal(170, 12, (n, 1))
    right = truth + rng.normal(0, sigma, truth.shape)
    if digits is not None:
        right = right.round(digits)
    given = right.copy()
    spoil(given, rng)
    return Case.of(scored(given, truth, sigma=sigma, width=400.0, **more), landmarks=False, unit="cm"), right


def findings_of(case):
    return {finding.place: finding for finding in weigh(case, list(Unit().find(case))).findings()}


@pytest.mark.parametrize("conversion", VALUE_CONVERSIONS, ids=lambda each: each.words)
def test_every_recurring_conversion_is_found_and_undone(scored, conversion):
    def spoil(given, rng):
        given[:12] = (given[:12] - conversion.offset) / conversion.scale

    case, right = heights(scored, spoil, sigma=1.0)
    findings = findings_of(case)
    assert set(findings) == {(row, 0) for row in range(12)}
    for (row, _), finding in findings.items():
        assert finding.reason.name == "unit"
        assert finding.why.startswith(f"{conversion.words} it fits: ")
        np.testing.assert_allclose(finding.suggested, right[row])
        assert finding.uncertainty[0] < 3


def test_a_single_slip_of_the_decimal_point_is_found(scored):
    def spoil(given, rng):
        given[4] *= 10
        given[100:120] = rng.uniform(0, 400, (20, 1))

    assert (4, 0) in findings_of(heights(scored, spoil, sigma=1.0)[0])


def test_the_uncertainty_of_a_converted_label_is_that_of_its_rounding(scored):
    def spoil(given, rng):
        given[:30] = (given[:30] / 2.54).round()

    case, right = heights(scored, spoil, digits=0)
    findings = findings_of(case)
    assert len(findings) > 25
    errors = [abs(finding.suggested[0] - right[row, 0]) for (row, _), finding in findings.items()]
    uncertainty = np.array([finding.uncertainty[0] for finding in findings.values()])
    np.testing.assert_allclose(uncertainty, 2.54 / math.sqrt(12), rtol=0.2)
    assert np.sqrt(np.mean(np.square(errors))) < 1.3 * uncertainty.mean()


def test_random_labels_rarely_fit_a_conversion(scored):
    for seed, (sigma, digits) in enumerate([(0.5, None), (3, None), (2, 0), (6, 0)]):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(1, 90, (50_000, 1))
        given = truth + rng.normal(0, sigma, truth.shape)
        given[:10_000] = rng.uniform(1, 90, (10_000, 1))
        given = given if digits is None else given.round(digits)
        case = Case.of(scored(given, truth, sigma=sigma, wrong=0.2), landmarks=False)
        assert case.flags[:10_000].sum() > 5000
        assert len(findings_of(case)) < 0.02 * case.flags.sum()


def test_few_random_labels_rarely_fit_a_conversion(scored):
    named = flags = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(1, 90, (300, 1))
        given = truth + rng.normal(0, 2, truth.shape)
        given[:12] = rng.uniform(1, 90, (12, 1))
        case = Case.of(scored(given, truth, sigma=2.0), landmarks=False)
        named, flags = named + len(findings_of(case)), flags + int(case.flags.sum())
    assert flags > 500
    assert named < 0.02 * flags


def test_labels_near_zero_are_no_evidence_for_a_factor(scored):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 20, (20_000, 1))
    given = truth + rng.normal(0, 3, truth.shape)
    given[:5000] = rng.normal(0, 20, (5000, 1))
    case = Case.of(scored(given, truth, sigma=3.0, wrong=0.25), landmarks=False)
    assert len(findings_of(case)) < 0.02 * case.flags.sum()


def test_a_converted_angle_must_be_in_the_range_of_right_angles(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-90, 90, (5000, 1))
    given = truth + rng.normal(0, 2, truth.shape)
    given[:1000] = rng.uniform(-90, 90, (1000, 1))
    given[1000:1050] = np.radians(given[1000:1050])
    case = Case.of(scored(given, truth, sigma=2.0, periods=(360.0,)), landmarks=False, unit="degrees")
    findings = findings_of(case)
    assert all(abs(finding.suggested[0]) < 100 for finding in findings.values())
    far = {(row, 0) for row in range(1000, 1050) if case.flags[row, 0]}
    assert len(far - set(findings)) < 0.1 * len(far)
    assert len(set(findings) - far) < 0.02 * case.flags.sum()


def test_the_wrong_sign_of_one_of_three_angles_in_a_group_is_found(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-60, 60, (N, 3))
    right = truth + rng.normal(0, 2, truth.shape)
    given = right.copy()
    given[:10, 0] *= -1
    given[10:20, [0, 2]] *= -1
    names = ("yaw", "pitch", "roll")
    case = Case.of(scored(given, truth, "sample", sigma=2.0, target_names=names), landmarks=False, unit="degrees")
    findings = findings_of(case)
    assert len(findings) > 15
    assert any(" yaw fits: " in findings[row, 0].why for row in range(10) if (row, 0) in findings)
    assert any(" yaw, roll fit: " in findings[row, 0].why for row in range(10, 20) if (row, 0) in findings)
    close = [np.abs(f.suggested - right[row]).max() < 1e-9 for (row, _), f in findings.items()]
    assert np.mean(close) > 0.8  # an angle near zero may also be of the other sign


def test_a_factor_of_all_landmarks_is_one_mistake(scored, faces):
    rng = np.random.default_rng(0)
    truth = faces(200, rng)
    right = truth + rng.normal(0, 1.5, truth.shape)
    given = right.copy()
    given[0] /= 2
    given[1, 4:6] *= 10
    for groups, places in (("landmark", {(0, g) for g in range(5)} | {(1, 2)}), ("sample", {(0, 0), (1, 0)})):
        case = Case.of(scored(given, truth, groups, sigma=1.5, width=250.0), landmarks=True, unit="px")
        findings = findings_of(case)
        assert set(findings) == places
        np.testing.assert_allclose(
            np.concatenate([findings[0, group].suggested for group in range(len(case.labels.partition))]), right[0]
        )
    assert "landmark 2" in findings[1, 0].why or "t" in findings[1, 0].why


def test_landmarks_in_shares_of_the_image_are_found_if_its_size_is_known(scored, faces):
    rng = np.random.default_rng(0)
    sizes = rng.uniform(240, 400, (200, 2))
    truth = faces(200, rng)
    right = truth + rng.normal(0, 1.5, truth.shape)
    given = right.copy()
    given[:3] /= np.tile(sizes[:3], 5)
    sizes[2] = np.nan
    labels = scored(given, truth, "landmark", sigma=1.5, width=250.0)
    findings = findings_of(Case.of(labels, landmarks=True, unit="px", evidence=Evidence(sizes=lambda rows: sizes)))
    assert set(findings) == {(row, group) for row in (0, 1) for group in range(5)}
    np.testing.assert_allclose(findings[1, 3].suggested, right[1, 6:8])


def test_the_table_has_each_conversion_and_its_inverse():
    for table in (VALUE_CONVERSIONS, POINT_CONVERSIONS):
        maps = {(round(each.scale, 9), round(each.offset, 9)) for each in table}
        assert len(maps) == len(table)
        inverse = {(round(1 / each.scale, 9), round(-each.offset / each.scale, 9)) for each in table}
        assert inverse == maps


def test_labels_rounded_before_the_conversion_can_have_only_some_values(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 80, (3000, 1))
    right = (truth + rng.normal(0, 5, truth.shape)).round()
    given = right.copy()
    given[:40] *= 10
    given[40:80] *= 12
    findings = findings_of(Case.of(scored(given, truth, sigma=5.0, width=200.0), landmarks=False))
    recovered = [finding.suggested[0] == right[row, 0] for (row, _), finding in findings.items()]
    # Five in six of the tenfold are no multiple of 12, and nine in ten of the twelvefold none of 10.
    assert len(findings) > 70
    assert np.mean(recovered) > 0.9


def test_two_conversions_that_fit_make_the_value_uncertain(scored):
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 80, (3000, 1))
    truth[0] = 33.0
    given = (truth + rng.normal(0, 5, truth.shape)).round()
    given[1:41] *= 10
    given[41:81] *= 12
    given[0] = 360.0  # ten times 36 or twelve times 30
    finding = findings_of(Case.of(scored(given, truth, sigma=5.0, width=200.0), landmarks=False))[0, 0]
    assert finding.suggested[0] == pytest.approx(36) or finding.suggested[0] == pytest.approx(30)
    assert 3 < finding.uncertainty[0] < 6
