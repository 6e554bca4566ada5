from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from deepgum.audit.calibration import BINS, Calibration, Reliability, reliability
from deepgum.errors import InvalidDataError


def draws(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors, and what is wrong drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    posteriors = rng.beta(0.5, 0.8, size=n)
    return posteriors, rng.random(n) < posteriors


def calibration() -> Calibration:
    posteriors, wrong = draws(400)
    right = (1 - posteriors).reshape(200, 2)
    right[3, 1] = np.nan
    return Calibration.of(right, np.where(right < 0.5, 0.01 * right, right), wrong.reshape(200, 2))


@pytest.mark.parametrize("bins", [1, 2, 10, BINS])
def test_the_error_is_that_of_a_plain_loop_over_bins(bins: int) -> None:
    posteriors, wrong = draws(500)
    wrong ^= np.random.default_rng(1).random(500) < 0.2
    found = reliability(posteriors, wrong, bins)
    error = 0.0
    for place in range(bins):
        inside = [i for i, p in enumerate(posteriors) if place / bins <= p < (place + 1) / bins]
        assert found.counts[place] == len(inside)
        if inside:
            mean, share = np.mean(posteriors[inside]), np.mean(wrong[inside])
            assert found.predicted[place] == pytest.approx(mean)
            assert found.observed[place] == pytest.approx(share)
            error += len(inside) / 500 * abs(mean - share)
    assert found.error == pytest.approx(error)


def test_calibrated_posteriors_have_a_small_error_and_sharpened_ones_a_large_one() -> None:
    posteriors, wrong = draws(20_000)
    # Of a bin of n labels the error is about sqrt(2 p (1 - p) / (pi n)), at most 0.4 / sqrt(n).
    assert reliability(posteriors, wrong).error < 0.4 * np.sqrt(BINS / 20_000)
    sharpened = posteriors**2 / (posteriors**2 + (1 - posteriors) ** 2)
    assert reliability(sharpened, wrong).error > 0.05


def test_zero_and_one_are_in_the_outer_bins_and_empty_bins_are_none() -> None:
    found = reliability([0.0, 1.0, 1.0], [False, True, False], bins=3)
    assert found == Reliability(1 / 3, (1, 0, 2), (0.0, None, 1.0), (0.0, None, 0.5))


def test_missing_posteriors_are_left_out() -> None:
    posteriors, wrong = draws(100)
    padded = np.concatenate([posteriors, np.full(50, np.nan)])
    assert reliability(padded, np.concatenate([wrong, np.ones(50, bool)])) == reliability(posteriors, wrong)


def test_invalid_posteriors_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"as many values as `posteriors`, 2\. Found 1"):
        reliability([0.1, 0.2], [True])
    for nothing in ([], [np.nan]):
        with pytest.raises(InvalidDataError, match="at least one number"):
            reliability(nothing, [True] * len(nothing))
    for beyond in (-0.5, 1.5, np.inf):
        with pytest.raises(InvalidDataError, match="between 0 and 1"):
            reliability([0.5, beyond], [True, False])


def test_a_calibration_measures_flags_and_ranking() -> None:
    found = calibration()
    posteriors, wrong = draws(400)
    known = np.arange(400) != 7
    posteriors, wrong = posteriors[known], wrong[known]
    assert found.share == pytest.approx(wrong.mean())
    assert found.average_precision == pytest.approx(average_precision_score(wrong, posteriors))
    assert found.precision == pytest.approx(wrong[posteriors > 0.5].mean())
    assert found.recall == pytest.approx((posteriors > 0.5)[wrong].mean())
    assert found.after.error == pytest.approx(reliability(posteriors, wrong).error)
    assert found.after.counts == reliability(posteriors, wrong).counts
    assert found.before.error > found.after.error


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    nothing_wrong = replace(calibration(), average_precision=None, recall=None)
    for each in (calibration(), nothing_wrong):
        each.write(tmp_path / "calibration.json")
        assert Calibration.read(tmp_path / "calibration.json") == each


def test_a_file_that_is_no_calibration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration().write(path)
    whole = json.loads(path.read_text(encoding="utf-8"))
    without = {key: value for key, value in whole.items() if key != "share"}
    for text in ("", "[]", "{}", json.dumps(without), json.dumps({**whole, "before": None}), path.read_text()[:-40]):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidDataError, match=r"calibration\.json' should be a calibration"):
            Calibration.read(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(InvalidDataError, match="should be a calibration"):
        Calibration.read(path)
    with pytest.raises(InvalidDataError, match="should be a calibration"):
        Calibration.read(tmp_path / "none.json")
