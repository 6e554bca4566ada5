"""The check of predictions: every kind of useless predictions is named, and honest ones never are."""

import numpy as np
import pytest

from deepgum import audit_labels, score_labels
from deepgum.audit.predictions import FaultKind, are_clearly_good, check_group, check_target


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
    assert turned.words.startswith("x: ")
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


@pytest.mark.case(2)
def test_an_audit_with_features_that_say_nothing_says_so():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, y = rng.normal(size=(300, 4)), rng.normal(50, 10, 300)
    audit = audit_labels(features, y, Ridge())
    assert audit.summary.groups[0].fault in ("UNINFORMATIVE", "OTHER_ROWS")
    assert audit.summary.verdict.startswith("Nothing can be told: ")
    y = 50 + 10 * features[:, 0] + 3 * rng.normal(size=300)
    assert not audit_labels(features, y, Ridge()).summary.groups[0].fault
