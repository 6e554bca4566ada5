from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from deepgum.audit.corrections.gain import Gain, difference, differences_of
from deepgum.errors import InvalidDataError


def errors(n: int, gain: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    before = rng.gamma(3.0, 1.0, size=n)
    return before, before - gain + 0.5 * rng.normal(size=n)


def test_the_interval_covers_the_true_difference_at_its_level() -> None:
    found = [difference("", *errors(80, 0.3, seed)) for seed in range(100)]
    covered = sum(each.low < 0.3 < each.high for each in found)
    # 95 of 100, give or take three standard errors.
    assert covered >= 88
    # As wide as 2 x 1.96 standard errors of a mean of 80 differences of deviation 0.5.
    assert np.mean([each.high - each.low for each in found]) == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(80), rel=0.05)


def test_means_and_the_test_are_those_of_numpy_and_scipy() -> None:
    before, after = errors(60, 0.1)
    found = difference("nose", before, after)
    assert found.name == "nose"
    assert (found.before, found.after) == (pytest.approx(before.mean()), pytest.approx(after.mean()))
    assert found.lower == pytest.approx(before.mean() - after.mean())
    assert found.p_value == pytest.approx(wilcoxon(before, after).pvalue)
    assert found.samples == 60


def test_samples_without_a_label_before_or_after_are_left_out() -> None:
    before, after = errors(60, 0.1)
    padded = np.concatenate([before, [np.nan, 7.0, np.nan]]), np.concatenate([after, [7.0, np.nan, np.nan]])
    assert difference("", *padded) == difference("", before, after)


def test_exchanging_before_and_after_changes_the_sign() -> None:
    before, after = errors(60, 0.2)
    one, other = difference("", before, after), difference("", after, before)
    assert (other.lower, other.low, other.high) == pytest.approx((-one.lower, -one.high, -one.low), rel=1e-9)
    assert other.p_value == pytest.approx(one.p_value)


def test_equal_errors_have_no_difference() -> None:
    before, _ = errors(30, 0.0)
    found = difference("", before, before)
    assert (found.lower, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_the_overall_errors_are_means_of_samples_over_their_labels() -> None:
    (a, b), (c, d) = errors(40, 0.2, 1), errors(40, 0.4, 2)
    before, after = np.stack([a, c], axis=1), np.stack([b, d], axis=1)
    for each in (before, after):
        each[3, 0] = each[5] = np.nan
    whole, *parts = differences_of(["nose", "chin"], before, after)
    assert [each.name for each in parts] == ["nose", "chin"]
    assert [each.samples for each in (whole, *parts)] == [39, 38, 39]
    expected = [np.mean([v for v in row if not np.isnan(v)]) for i, row in enumerate(before) if i != 5]
    assert whole.before == pytest.approx(np.mean(expected))
    assert parts[0] == difference("nose", before[:, 0], after[:, 0])


def test_a_target_without_test_labels_is_left_out() -> None:
    before, after = errors(40, 0.2)
    nothing = np.full(40, np.nan)
    found = differences_of(["nose", "chin"], np.stack([before, nothing], 1), np.stack([after, nothing], 1))
    assert [each.name for each in found] == ["", "nose"]


def test_a_difference_without_errors_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="'nose'"):
        difference("nose", np.full(3, np.nan), np.ones(3))


def gain(whole: tuple[np.ndarray, np.ndarray], failures: tuple[np.ndarray, np.ndarray] | None = None) -> Gain:
    return Gain(
        method="l2",
        seeds=(0,),
        train=10,
        test=40,
        fixed=2,
        dropped=1,
        unit="pixels",
        errors=(difference("", *whole),),
        failures=difference("failures", *failures) if failures else None,
        official=True,
    )


def test_the_verdict_follows_the_interval_of_failures_or_errors() -> None:
    helps, hurts, neither = errors(60, 0.5), errors(60, -0.5), errors(60, 0.0)
    assert gain(helps).verdict.startswith("The corrections help: the error")
    assert gain(hurts).verdict.startswith("The corrections hurt: the error")
    assert gain(neither).verdict.startswith("No difference")
    assert gain(helps, hurts).verdict.startswith("The corrections hurt: the share of failures")


def test_the_file_holds_the_gain(tmp_path: Path) -> None:
    found = gain(errors(60, 0.5))
    found.write(tmp_path / "gain.json")
    values = json.loads((tmp_path / "gain.json").read_text(encoding="utf-8"))
    assert values["errors"][0]["lower"] == found.errors[0].lower
    assert (values["failures"], values["fixed"], values["unit"]) == (None, 2, "pixels")
