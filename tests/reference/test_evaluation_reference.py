"""Metrics, detection scores and p-values against scikit-learn's, scipy's and naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from deepgum.evaluation import detection_scores, failure_rate, holm, mae, paired_wilcoxon, rmse

RANDOM = np.random.default_rng(0)
PREDICTIONS, TARGETS = RANDOM.normal(size=(2, 300, 10))


def test_coordinate_metrics_are_sklearns():
    expected = sklearn.metrics.mean_absolute_error(TARGETS, PREDICTIONS, multioutput="raw_values")
    assert mae(PREDICTIONS, TARGETS, unit="coordinate").each == pytest.approx(expected)
    expected = sklearn.metrics.root_mean_squared_error(TARGETS, PREDICTIONS, multioutput="raw_values")
    assert rmse(PREDICTIONS, TARGETS, unit="coordinate").each == pytest.approx(expected)


def test_failure_rate_is_a_naive_count():
    width = RANDOM.uniform(1, 40, size=300)
    holed = TARGETS.copy()
    holed[::7, 3] = np.nan
    failed, seen = [0] * 5, [0] * 5
    for i in range(300):
        for k in range(5):
            x, y = holed[i, 2 * k], holed[i, 2 * k + 1]
            if math.isnan(x) or math.isnan(y):
                continue
            seen[k] += 1
            failed[k] += math.dist((x, y), PREDICTIONS[i, 2 * k : 2 * k + 2]) / width[i] > 0.08
    score = failure_rate(PREDICTIONS, holed, width, threshold=0.08)
    assert score.each == pytest.approx([f / s for f, s in zip(failed, seen, strict=True)])
    assert score.overall == pytest.approx(sum(failed) / sum(seen))


def test_detection_is_sklearns():
    truth = RANDOM.random((400, 5)) < 0.4
    scores = np.clip(0.5 * truth + RANDOM.random((400, 5)), 0, 1)
    flags = scores > 0.6
    result = detection_scores(scores, flags, truth)
    assert result.precision == pytest.approx(sklearn.metrics.precision_score(truth.ravel(), flags.ravel()))
    assert result.recall == pytest.approx(sklearn.metrics.recall_score(truth.ravel(), flags.ravel()))
    assert result.average_precision == pytest.approx(
        sklearn.metrics.average_precision_score(truth.ravel(), scores.ravel())
    )


@pytest.mark.parametrize("n", [8, 40, 3000])
def test_wilcoxon_is_scipys(n: int):
    first, second = RANDOM.gamma(2.0, size=(2, n))
    assert paired_wilcoxon(first, second).p_value == scipy.stats.wilcoxon(first, second).pvalue


def test_wilcoxon_is_exact_by_counting_every_sign_pattern():
    gain = RANDOM.normal(0.4, 1.0, size=10)
    ranks = scipy.stats.rankdata(np.abs(gain))
    patterns = (np.arange(2**10)[:, None] >> np.arange(10)) & 1
    sums = patterns @ ranks
    observed, middle = ranks[gain > 0].sum(), ranks.sum() / 2
    expected = np.mean(np.abs(sums - middle) >= abs(observed - middle))
    assert paired_wilcoxon(np.zeros(10), gain).p_value == pytest.approx(expected)


def test_holm_is_the_closed_test_of_bonferroni():
    # Holm adjusts a p-value to the largest Bonferroni p-value of all the subsets that hold it.
    p = RANDOM.uniform(0, 0.3, size=6)
    subsets = [[j for j in range(6) if pattern >> j & 1] for pattern in range(1, 2**6)]
    expected = [max(min(1.0, len(s) * p[s].min()) for s in subsets if i in s) for i in range(6)]
    np.testing.assert_allclose(holm(p), expected)
