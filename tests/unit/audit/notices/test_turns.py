"""Angles without a period: the period is named, and nothing is claimed about the labels one turn away."""

import math

import numpy as np
import pytest

from deepgum import score_labels
from deepgum.audit.notices.turns import find_turn

N = 1500
CASES = [
    (360.0, 0.0, 5.0), (360.0, -180.0, 3.0), (2 * math.pi, -math.pi, 0.05), (24.0, 0.0, 0.4), (180.0, 0.0, 4.0),
    (12.0, 0.0, 0.2), (1.0, 0.0, 0.01), (7.0, 0.0, 0.1),
]  # fmt: skip


def angles(period, start, noise, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, period, N)
    predicted = start + np.mod(truth + rng.normal(0, noise, N), period)
    return start + truth, predicted


@pytest.mark.case(7)
@pytest.mark.parametrize(("period", "start", "noise"), CASES)
def test_the_period_is_named_and_no_label_is_flagged(period, start, noise):
    given, predicted = angles(period, start, noise)
    turned = np.abs(given - predicted) > period / 2
    assert turned.sum() >= 3
    scored = score_labels(predicted, given, target_names=["a"])
    (notice,) = scored.summary.notices
    assert notice.startswith(f"a: {turned.sum()} labels differ from their predictions by one full turn ({period:.10g})")
    assert f"--period a={period:.10g} " in notice
    assert (scored.labels.responsibilities[turned] == 0.5).all()
    assert not scored.summary.flags
    assert not scored.labels.kinds
    assert not score_labels(predicted, given, target_names=["a"], periods={"a": period}).summary.notices


@pytest.mark.case(7)
def test_wrong_labels_among_angles_are_judged_as_with_the_period():
    given, predicted = angles(360.0, 0.0, 3.0)
    wrong = np.arange(N) < 60
    given[wrong] = np.mod(given[wrong] + np.random.default_rng(1).uniform(60, 300, 60), 360)
    plain = score_labels(predicted, given, target_names=["a"])
    known = score_labels(predicted, given, target_names=["a"], periods={"a": 360})
    assert len(plain.summary.notices) == 1
    assert plain.labels.flags[wrong].mean() > 0.9
    assert known.labels.flags[wrong].mean() > 0.9
    assert plain.labels.flags[~wrong].mean() < 0.01


@pytest.mark.case(7)
def test_labels_without_turns_have_no_period():
    rng = np.random.default_rng(2)
    given, predicted = angles(360.0, 0.0, 3.0)
    inside = np.abs(given - predicted) < 180
    assert find_turn(given[inside], predicted[inside]) is None
    scattered = np.where(rng.random(N) < 0.1, rng.uniform(0, 360, N), given)  # wrong anywhere
    assert find_turn(scattered[inside], predicted[inside]) is None
    coins = rng.integers(0, 2, N).astype(float)
    assert find_turn(coins, np.where(rng.random(N) < 0.05, 1 - coins, coins) + rng.normal(0, 0.01, N)) is None
    half = np.where(rng.random(N) < 0.03, np.mod(given + 180, 360), given)  # upside down
    assert find_turn(half[inside], predicted[inside]) is None
