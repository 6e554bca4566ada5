"""The check of predictions: every kind of useless predictions is named, and honest ones never are."""

import re

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from deepgum import audit_labels, score_labels
from deepgum.audit.faults import Fault, FaultKind
from deepgum.audit.predictions import are_clearly_good, check_group, check_target
from deepgum.wording import percent


def honest(n=500, r2=0.9, seed=0, wrong=0.1, noise="uniform"):
    """Return labels and predictions that explain a share `r2` of the right labels, and make some labels wrong."""
    rng = np.random.default_rng(seed)
    y = rng.normal(50, 10, n)
    p = 50 + r2 * (y - 50) + 10 * np.sqrt(r2 * (1 - r2)) * rng.normal(size=n)
    rows = rng.permutation(n)[: round(wrong * n)]
    y[rows] = {
        "uniform": rng.uniform(0, 100, len(rows)),
        "unit": 10 * y[rows],
        "swap": np.roll(y[rows], 1),
        "one-sided": y[rows] + rng.uniform(20, 60, len(rows)),
    }[noise]
    return y, p


@pytest.mark.parametrize("noise", ["uniform", "unit", "swap", "one-sided"])
@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.2, 0.4])
def test_honest_predictions_pass_with_up_to_40_percent_wrong_labels(noise, wrong):
    for n, r2 in ((100, 0.8), (300, 0.5), (1000, 0.3), (1000, 0.99)):
        for seed in range(3):
            assert check_target(*honest(n, r2, seed, wrong, noise)) is None, (n, r2, seed)


@pytest.mark.parametrize("noise", ["uniform", "swap"])
def test_weak_predictions_pass_if_they_are_clearly_better_than_the_mean(noise):
    for seed in range(5):
        assert check_target(*honest(5000, 0.05, seed, 0.05, noise)) is None


MADE_USELESS = {
    FaultKind.BY_HEART: lambda y, p, rng: y + 1e-3 * rng.normal(size=len(y)),
    FaultKind.CONSTANT: lambda y, p, rng: np.full(len(y), 50.0),
    FaultKind.UNINFORMATIVE: lambda y, p, rng: 50 + rng.normal(size=len(y)),
    FaultKind.OTHER_ROWS: lambda y, p, rng: rng.permutation(p),
    FaultKind.WORSE: lambda y, p, rng: p + 20 * rng.normal(size=len(y)),
    FaultKind.SIGN: lambda y, p, rng: 100 - p,
    FaultKind.OFFSET: lambda y, p, rng: p + 15,
    FaultKind.BETWEEN: lambda y, p, rng: p + rng.choice([-15, 15], size=len(y)),
    FaultKind.UNIT: lambda y, p, rng: (p - 50) / 10,
    FaultKind.TRANSFORMED: lambda y, p, rng: np.log(np.maximum(p, 1)),
}


@pytest.mark.case(1)
@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("n", [200, 400, 3000])
def test_each_kind_of_useless_predictions_is_named(kind, n):
    for seed in range(3):
        y, p = honest(n, 0.95, seed)
        fault = check_target(y, MADE_USELESS[kind](y, p, np.random.default_rng(seed + 10)), unit="years")
        assert fault is not None
        assert fault.kind is kind
        assert fault.words.endswith((".", ")"))


def test_the_rough_check_of_all_targets_passes_honest_predictions_and_no_useless_ones():
    good = [honest(400, 0.95, seed) for seed in range(5)]
    given, predicted = (np.column_stack([pair[side] for pair in good]) for side in (0, 1))
    assert are_clearly_good(given, predicted).all()
    for kind, made in MADE_USELESS.items():
        useless = np.column_stack([made(y, p, np.random.default_rng(1)) for y, p in good])
        assert not are_clearly_good(given, useless).any(), kind
    given[:, 0] = np.nan
    assert are_clearly_good(given, predicted).tolist() == [False, True, True, True, True]


@pytest.mark.case(1)
def test_an_offset_and_a_scale_come_with_their_size():
    y, p = honest(2000, 0.95, wrong=0.0)
    assert check_target(y, p + 15, unit="years").words.startswith("the predictions are 15 years too high")
    assert check_target(y, p - 15).words.startswith("the predictions are 15 too low")
    assert "Add 15" in check_target(y, p - 15).words
    assert "near 10" in check_target(y, (p - 50) / 10).words


def two_groups(n, share, distance, seed=0):
    """Return labels of two groups, and predictions that lie at the mean of the two, because they know no group."""
    rng = np.random.default_rng(seed)
    known = rng.normal(50, 10, n)
    group = rng.permutation(n) < share * n
    return known + distance * group + rng.normal(0, 2, n), known + share * distance, group


@pytest.mark.case(14)
@pytest.mark.parametrize("share", [0.25, 0.35, 0.5, 0.65])
@pytest.mark.parametrize("n", [200, 1000])
def test_an_offset_is_never_said_of_predictions_between_two_groups(n, share):
    for seed in range(5):
        y, p, group = two_groups(n, share, 30.0, seed)
        fault = check_target(y, p)
        assert fault.kind is FaultKind.BETWEEN
        assert f"{percent(float(group.mean()))} % of the labels are above" in fault.words
        # Each group alone does have an offset.
        assert {check_target(y[each], p[each]).kind for each in (group, ~group)} == {FaultKind.OFFSET}


@pytest.mark.parametrize("made", ["normal", "laplace", "uniform", "skewed", "triangular"])
def test_residuals_with_one_mode_are_no_two_groups_wherever_the_predictions_lie(made):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        residuals = {
            "normal": rng.normal(size=1000),
            "laplace": rng.laplace(size=1000),
            "uniform": rng.uniform(-1.7, 1.7, 1000),
            "skewed": rng.gamma(2.0, size=1000),
            "triangular": rng.triangular(-2, 1.5, 2, 1000),
        }[made]
        p = rng.normal(50, 3, 1000)
        for quantile in np.arange(0.1, 1.0, 0.1):
            fault = check_target(p + residuals - np.quantile(residuals, quantile), p)
            assert fault is None or fault.kind is not FaultKind.BETWEEN


def test_rounded_labels_on_both_sides_of_their_predictions_are_neither_two_groups_nor_an_offset():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for n in (300, 1000, 5000):
            value = rng.choice([0.5, 1.5, 2.5, 3.5], n) + rng.normal(0, 0.05, n)
            rating = np.floor(value) + (rng.random(n) < value % 1)
            assert check_target(rating, value) is None


def test_two_groups_of_angles_are_found_around_the_circle():
    y, p, _ = two_groups(600, 0.4, 80.0)
    fault = check_target((7 * y) % 360, (7 * y - (y - p)) % 360, 360.0)
    assert fault is not None
    assert fault.kind is FaultKind.BETWEEN


def test_rounded_labels_cannot_be_predicted_better_than_their_rounding():
    rng = np.random.default_rng(0)
    value = rng.uniform(20, 60, 500)
    years = np.round(value)
    assert check_target(years, value + 0.05 * rng.normal(size=500)) is None
    assert check_target(years, years + 0.02 * rng.normal(size=500)).kind is FaultKind.BY_HEART


def test_nothing_is_said_about_few_labels():
    y, p = honest(29, 0.9)
    rng = np.random.default_rng(0)
    for made in MADE_USELESS.values():
        assert check_target(y, made(y, p, rng)) is None
    y, p = honest(400, 0.9)
    y[29:] = np.nan
    assert check_target(y, p + 50) is None


@pytest.mark.parametrize("period", [360.0, 2 * np.pi])
def test_angles_are_compared_around_the_circle(period):
    rng = np.random.default_rng(0)
    y = rng.uniform(0, period, 600)
    p = (y + 0.02 * period * rng.normal(size=600)) % period
    y[:60] = rng.uniform(0, period, 60)
    assert check_target(y, p, period) is None
    assert check_target(y, rng.permutation(p), period) is not None
    assert check_target(y, -p, period).kind is FaultKind.SIGN
    assert check_target(y, (p + 0.3 * period) % period, period).kind is FaultKind.OFFSET
    if period == 360.0:
        assert check_target(y, np.radians(p), period).kind is FaultKind.UNIT


def test_a_coordinate_that_hardly_varies_does_not_condemn_its_landmark_but_a_wrong_sign_does():
    y, p = honest(400, 0.95)
    rng = np.random.default_rng(0)
    level = rng.normal(10, 0.3, 400)
    given, predicted = np.column_stack([y, level]), np.column_stack([p, np.full(400, 10.0)])
    assert check_group(given, predicted, ["x", "y"]) is None
    turned = check_group(given, np.column_stack([-p, level + 0.01 * rng.normal(size=400)]), ["x", "y"])
    assert turned.kind is FaultKind.SIGN
    assert turned.sentences().startswith("x: ")
    assert turned.sentences(out_of_fold=True).startswith("x: ")
    assert check_group(given, np.column_stack([np.full(400, 50.0), predicted[:, 1]]), ["x", "y"]) is not None


def test_a_verdict_on_useless_predictions_claims_nothing():
    y, p = honest(400, 0.95)
    rng = np.random.default_rng(0)
    for made in (MADE_USELESS[FaultKind.SIGN], MADE_USELESS[FaultKind.OFFSET]):
        scored = score_labels(made(y, p, rng), y)
        assert scored.summary.verdict.startswith("Nothing can be told: ")
        assert scored.summary.share is None
        assert (scored.summary.flags, scored.worst) == (0, ())
    # Labels far from all others are still shown, but not claimed.
    y[:5] = 1000.0
    scored = score_labels(np.full(400, 50.0), y)
    assert scored.labels.flags[:5, 0].all()
    assert scored.summary.verdict.startswith("Nothing can be told: ")
    assert scored.summary.share is None


def test_one_useless_target_does_not_take_the_verdict_of_another():
    y, p = honest(400, 0.95, wrong=0.1)
    scored = score_labels(np.column_stack([p, -p]), np.column_stack([y, y]), target_names=["age", "other"])
    one, other = scored.summary.groups
    assert (one.fault, other.fault) == ("", "SIGN")
    assert scored.summary.share == one.share
    assert "Nothing can be told about the other (other)" in scored.summary.verdict
    assert scored.summary.flags == one.flags > 20


@pytest.mark.parametrize("kind", FaultKind)
def test_a_reader_of_an_audit_is_told_about_inputs_and_models_not_about_predictions_to_change(kind):
    fault = Fault(kind, "the predictions are 15 years off. Add 15 years to the predictions, and score again.")
    told = fault.sentences(out_of_fold=True)
    assert told.startswith(f"{kind.cause}. ")
    remedy = told.partition(". ")[2]
    assert not re.search(r"score|predictions", remedy)
    assert re.search(r"input|model", remedy)
    # An audit compares in a unit of its own, so its readers are told no amounts.
    assert not re.search(r"[0-9]|years", told)


@pytest.mark.case(14)
def test_an_audit_without_the_feature_that_separates_two_groups_says_so():
    rng = np.random.default_rng(0)
    known, group = rng.normal(size=(200, 2)), rng.random(200) < 0.5
    y = known[:, 0] + 3 * group + rng.normal(0, 0.1, 200)
    audit = audit_labels(known, y, LinearRegression())
    assert audit.summary.groups[0].fault == "BETWEEN"
    assert "which the inputs do not tell apart" in audit.summary.verdict
    assert not audit.summary.flags
    told = audit_labels(np.column_stack([known, group]), y, LinearRegression())
    assert not told.summary.groups[0].fault


@pytest.mark.case(2)
def test_an_audit_with_features_that_say_nothing_says_so():
    rng = np.random.default_rng(0)
    features, y = rng.normal(size=(300, 4)), rng.normal(50, 10, 300)
    audit = audit_labels(features, y, Ridge())
    assert audit.summary.groups[0].fault in ("UNINFORMATIVE", "OTHER_ROWS")
    assert audit.summary.verdict.startswith("Nothing can be told: ")
    y = 50 + 10 * features[:, 0] + 3 * rng.normal(size=300)
    assert not audit_labels(features, y, Ridge()).summary.groups[0].fault


def test_a_fault_of_every_target_of_a_group_needs_no_names():
    """So that groups with the same fault have one verdict, which is said once."""
    given = np.random.default_rng(0).normal(size=(400, 2))
    both = check_group(given, given, ["x", "y"])
    assert both is not None
    assert both.where == ""
    one = check_group(given, given + [0, 1] * np.random.default_rng(1).normal(size=(400, 2)) * 0.3, ["x", "y"])
    assert one is not None
    assert one.where == "x"
