"""The second level against Bayes' theorem in plain loops, and laws of the shares of runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.runs.run_shares import NODES, RunShares, log_likelihood

RUNS, ROWS = 30, 20


def case(shares, seed=0):
    """Probabilities of labels under one share for all, by EM with known densities; the runs; which labels are wrong."""
    rng = np.random.default_rng(seed)
    runs = Runs.of(np.repeat(np.arange(RUNS), ROWS).tolist())
    is_wrong = rng.random(RUNS * ROWS) < np.asarray(shares)[runs.numbers]
    residuals = rng.normal(0, np.where(is_wrong, 5.0, 1.0))
    ratio, prior = norm.pdf(residuals, 0, 5) / norm.pdf(residuals), 0.1
    for _ in range(2000):
        wrong = prior * ratio / (1 - prior + prior * ratio)
        prior = wrong.mean()
    return wrong, runs, is_wrong, ratio


BAD = np.r_[[0.9, 0.7, 0.6], np.full(RUNS - 3, 0.03)]


def test_posteriors_are_those_of_bayes_theorem_in_plain_loops():
    wrong, runs, _, ratio = case(BAD)
    found = RunShares.fit(wrong, runs)
    shares = np.r_[found.good, NODES]
    bad = found.is_bad.mean()
    above = found.good < NODES
    prior = np.r_[1 - bad, np.where(above, bad / above.sum(), 0.0)]
    expected = np.empty_like(wrong)
    for run in range(RUNS):
        rows = np.flatnonzero(runs.numbers == run)
        joint = prior * np.array([np.prod(1 - s + s * ratio[rows]) for s in shares])
        weights = joint / joint.sum()
        np.testing.assert_allclose(found.weights[run], weights, atol=1e-4)
        for row in rows:
            expected[row] = weights @ (shares * ratio[row] / (1 - shares + shares * ratio[row]))
    np.testing.assert_allclose(found.wrong(wrong, runs), expected, atol=1e-4)


def test_the_factor_of_the_likelihood_is_that_of_the_densities():
    wrong, runs, _, ratio = case(BAD)
    overall = wrong.mean()
    expected = runs.sums(np.log((0.7 + 0.3 * ratio) / (1 - overall + overall * ratio)))
    np.testing.assert_allclose(log_likelihood(wrong, 0.3, overall, runs), expected, rtol=1e-6)


def test_one_share_for_all_is_the_maximum_of_its_likelihood():
    wrong, runs, _, _ = case(BAD)
    overall = wrong.mean()
    total = [log_likelihood(wrong, share, overall, runs).sum() for share in (overall - 0.02, overall, overall + 0.02)]
    assert total[1] == pytest.approx(0, abs=1e-9)
    assert max(total[0], total[2]) < 0


def test_bad_runs_are_found_and_more_wrong_labels_are_flagged():
    wrong, runs, is_wrong, _ = case(BAD)
    found = RunShares.fit(wrong, runs)
    assert (found.is_bad[:3] > 0.99).all()
    assert (found.is_bad[3:] < 0.5).all()
    after = found.wrong(wrong, runs)
    in_bad = runs.numbers < 3
    assert (after > 0.5)[is_wrong & in_bad].sum() >= (wrong > 0.5)[is_wrong & in_bad].sum() + 4
    # In expectation as many labels are wrong as there are.
    assert after.sum() == pytest.approx(is_wrong.sum(), rel=0.15)


@pytest.mark.parametrize("share", [0.03, 0.2])
def test_equal_shares_prove_nothing(share):
    found = [RunShares.fit(*case(np.full(RUNS, share), seed)[:2]) for seed in range(10)]
    assert sum(each is not None for each in found) <= 1


def test_the_evidence_is_weighed_against_the_number_of_runs():
    """The gain is the log-likelihood ratio; one run with two suspicious labels is not enough."""
    wrong = np.full(RUNS * ROWS, 0.01)
    wrong[:2] = 0.3
    runs = Runs.of(np.repeat(np.arange(RUNS), ROWS).tolist())
    assert RunShares.fit(wrong, runs) is None
    wrong[:12] = 0.5
    found = RunShares.fit(wrong, runs)
    assert found.gain > np.log(RUNS) / 2 + 1


def test_names_and_order_do_not_matter():
    wrong, runs, _, _ = case(BAD)
    after = RunShares.fit(wrong, runs).wrong(wrong, runs)
    order = np.random.default_rng(1).permutation(len(wrong))
    shuffled = Runs.of([f"run {runs.numbers[row]}" for row in order])
    np.testing.assert_allclose(RunShares.fit(wrong[order], shuffled).wrong(wrong[order], shuffled), after[order])


def test_a_missing_label_stays_missing_and_does_not_count():
    wrong, runs, _, _ = case(BAD)
    more = np.r_[wrong, np.full(50, np.nan)]
    repeated = Runs.of([*runs.numbers.tolist(), *range(40), *range(10)])
    after = RunShares.fit(more, repeated).wrong(more, repeated)
    np.testing.assert_allclose(after[:-50], RunShares.fit(wrong, runs).wrong(wrong, runs), atol=1e-3)
    assert np.isnan(after[-50:]).all()


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_labels_that_are_all_alike_prove_nothing(value):
    assert RunShares.fit(np.full(40, value), Runs.of([row // 5 for row in range(40)])) is None


def test_certain_labels_stay_certain_and_no_probability_exceeds_one():
    wrong, runs, _, _ = case(BAD)
    wrong[2:20] = 1.0
    wrong[[0, 1, 100]] = [0.0, 1.0, 1.0]
    after = RunShares.fit(wrong, runs).wrong(wrong, runs)
    assert 0 <= after.min() <= after.max() <= 1
    assert after[[0, 1, 100]].tolist() == pytest.approx([0.0, 1.0, 1.0])
