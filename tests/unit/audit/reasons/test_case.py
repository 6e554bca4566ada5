"""The evidence of a case: its facts, and its densities of labels of many groups against those of each label alone."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from deepgum.audit.reasons import Case
from deepgum.audit.reasons import case as case_module

PARTITION = [[4], [0, 3], [5, 1, 6], [2]]
PERIODS = (0.0, 0.0, 360.0, 0.0, 0.0, 0.0, 0.0)
N = 80


def case_of(scored, spread=True):
    rng = np.random.default_rng(0)
    truth = 40 * rng.normal(size=(N, 7))
    errors = rng.normal(size=(N, 7)) * [1.0, 2.0, 3.0, 1.5, 2.5, 1.0, 2.0]
    wrong = rng.random((N, 7)) < 0.1
    given = truth + np.where(wrong, rng.uniform(-90, 90, (N, 7)), errors)
    given[:, 4] = given[:, 4].round() + 0.25
    given[rng.random((N, 7)) < 0.15] = np.nan
    spreads = rng.uniform(0.5, 6, (N, 4))
    spreads[rng.random((N, 4)) < 0.1] = np.nan
    labels = scored(
        given, truth, PARTITION, sigma=2.0, width=180.0, spread=spreads if spread else None, periods=PERIODS
    )
    return Case.of(labels)


def cells_of(case):
    """Return the rows and groups of four in five labels, in any order."""
    rng = np.random.default_rng(1)
    rows, groups = np.nonzero(case.labelled & (rng.random((N, 4)) < 0.8))
    order = rng.permutation(len(rows))
    return rows[order], groups[order]


def log_gaussian(residual, covariance):
    seen = np.flatnonzero(~np.isnan(residual))
    return multivariate_normal(np.zeros(len(seen)), covariance[np.ix_(seen, seen)]).logpdf(residual[seen])


def log_any_of(case, row, group):
    parts = [[column] for column in PARTITION[group]]
    return case.population.log_density_of_parts(case.labels.given[[row]], parts)


def log_wrong_of(case, row, group):
    residual = case.labels.residuals[[row]][:, PARTITION[group]]
    return case.wrong_labels[group].log_density(residual, log_any_of(case, row, group))[0]


def test_the_share_of_wrong_labels_counts_labels_that_exist(scored):
    case = case_of(scored)
    right = case.labels.responsibilities
    for group in range(4):
        seen = right[~np.isnan(right[:, group]), group]
        assert len(seen) < N or group == 2
        assert case.wrong[group] == pytest.approx(((1 - seen).sum() + 1) / (len(seen) + 2))


def test_variances_grow_with_the_spread_between_networks(scored):
    case = case_of(scored)
    for group, columns in enumerate(PARTITION):
        spread, k = case.labels.spread[:, group], len(columns)
        usual = np.median(spread[~case.flags[:, group] & ~np.isnan(spread)])
        assert case.flags[:, group].any()
        for row in range(N):
            known = not np.isnan(spread[row])
            excess = max(spread[row] ** 2 - usual**2, 0.0) / k if known else 0.0
            assert case.excess[row, group] == pytest.approx(excess)
            variance = case.covariances[group].diagonal() + (spread[row] ** 2 / k if known else 0.0)
            np.testing.assert_allclose(case.deviation[row, columns], np.sqrt(variance))


def test_without_a_spread_there_is_no_excess(scored):
    case = case_of(scored, spread=False)
    assert not case.excess.any()
    for group, columns in enumerate(PARTITION):
        deviation = np.sqrt(case.covariances[group].diagonal())
        np.testing.assert_allclose(case.deviation[:, columns], np.tile(deviation, (N, 1)))


def test_the_group_of_a_column_is_the_one_that_has_it(scored):
    assert case_of(scored).group_of.tolist() == [1, 2, 3, 1, 0, 2, 2]


def test_the_density_of_all_labels_is_that_of_each_label(scored):
    case = case_of(scored)
    rows, groups = cells_of(case)
    expected = [log_any_of(case, row, group)[0] for row, group in zip(rows, groups, strict=True)]
    np.testing.assert_allclose(case.log_any(rows, groups), expected)


@pytest.mark.parametrize("most", [3, 2**18])
def test_the_density_of_wrong_labels_is_that_of_each_label(scored, monkeypatch, most):
    case = case_of(scored)
    rows, groups = cells_of(case)
    expected = [log_wrong_of(case, row, group) for row, group in zip(rows, groups, strict=True)]
    monkeypatch.setattr(case_module, "_CELLS", most)
    np.testing.assert_allclose(case.log_wrong(rows, groups), expected)


@pytest.mark.parametrize("small", [0, 4])
def test_a_label_that_no_rule_explains_is_wrong_or_right_and_hard(scored, monkeypatch, small):
    monkeypatch.setattr(case_module, "_SMALL", small)
    case = case_of(scored)
    rows, groups = cells_of(case)
    found = case.log_unexplained(rows, groups)
    for cell, (row, group) in enumerate(zip(rows, groups, strict=True)):
        residual = case.labels.residuals[row, PARTITION[group]]
        covariance = case.covariances[group] + case.excess[row, group] * np.eye(len(residual))
        right = (1 - case.wrong[group]) * np.exp(log_gaussian(residual, covariance))
        wrong = case.wrong[group] * np.exp(log_wrong_of(case, row, group))
        assert found[cell] == pytest.approx(np.log(right + wrong))
    rows, groups = np.nonzero(~case.labelled)
    assert len(rows)
    assert not case.log_unexplained(rows, groups).any()


def test_odds_that_a_label_is_right_weigh_a_gaussian_against_the_box(scored):
    case = case_of(scored)
    for group, columns in enumerate(PARTITION):
        rows = np.flatnonzero(case.labelled[:, group])[::5]
        residuals, share = case.labels.residuals[rows][:, columns], case.wrong[group]
        found = case.log_odds_right(residuals, rows, group)
        for place, row in enumerate(rows):
            covariance = case.covariances[group] + case.excess[row, group] * np.eye(len(columns))
            box = case.wrong_labels[group].log_uniform_density(residuals[[place]])[0]
            expected = np.log((1 - share) / share) + log_gaussian(residuals[place], covariance) - box
            assert found[place] == pytest.approx(expected)


def test_more_variance_is_added_to_the_excess_variance(scored):
    case = case_of(scored)
    rows = np.flatnonzero(case.labelled[:, 2])[:9]
    residuals, extra = case.labels.residuals[rows][:, PARTITION[2]], np.random.default_rng(0).uniform(0, 5, (9, 3))
    found = case.log_right(residuals, rows, 2, extra)
    for place, row in enumerate(rows):
        covariance = case.covariances[2] + case.excess[row, 2] * np.eye(3) + np.diag(extra[place])
        assert found[place] == pytest.approx(log_gaussian(residuals[place], covariance))


@pytest.mark.parametrize("small", [0, 4])
def test_the_density_of_wrong_labels_is_fitted_to_flags_that_are_not_explained(scored, monkeypatch, small):
    monkeypatch.setattr(case_module, "_SMALL", small)
    before = case_of(scored)
    first = before.wrong_labels
    explained = np.random.default_rng(2).random((N, 4))
    for case, shares in ((before, np.ones((N, 4))), (before.with_explained(explained), 1 - explained)):
        for group, columns in enumerate(PARTITION):
            rows = np.flatnonzero(case.flags[:, group])
            residuals = case.labels.residuals[rows][:, columns]
            far = 0.0
            for residual in residuals:
                seen = np.flatnonzero(~np.isnan(residual))
                inverse = np.linalg.inv(case.covariances[group][np.ix_(seen, seen)])
                far = max(far, np.sqrt(residual[seen] @ inverse @ residual[seen]))
            density = case.wrong_labels[group]
            assert density.farthest == pytest.approx(far)
            log_any = np.array([log_any_of(case, row, group)[0] for row in rows])
            fitted = density.fit(residuals, log_any, shares[rows, group])
            np.testing.assert_allclose(density.log_weights, fitted.log_weights)
    assert not np.allclose(first[0].log_weights, before.with_explained(explained).wrong_labels[0].log_weights)


def test_a_group_without_flags_has_wrong_labels_up_to_one_standard_deviation(scored):
    truth = np.zeros((20, 2))
    given = np.where(np.arange(2) == 1, 0.5, 1.0) * np.random.default_rng(0).normal(size=(20, 2))
    given[0, 0] = 60.0
    case = Case.of(scored(given, truth, sigma=1.0, width=120.0))
    assert case.flags.sum(axis=0).tolist() == [1, 0]
    assert case.wrong_labels[1].farthest == 1.0


def test_one_label_has_the_step_that_it_has_among_all_labels(scored):
    case = case_of(scored)
    steps = case.steps(slice(None), slice(None))
    assert set(steps[:, 4].tolist()) == {0.0, 1.0}
    assert (steps[:, 4] == 1.0).sum() > 0.7 * N
    found = [[case.step_of(row, column) for column in range(7)] for row in range(N)]
    np.testing.assert_array_equal(found, steps)


def test_frequent_values_are_counted_within_a_step_or_within_a_standard_deviation(scored):
    case = case_of(scored)
    deviation = np.empty(7)
    for columns, covariance in zip(PARTITION, case.covariances, strict=True):
        deviation[columns] = np.sqrt(covariance.diagonal())
    expected = np.where(np.arange(7) == 4, 1.0, deviation)
    np.testing.assert_allclose(case.population.widths, expected)


def test_residuals_of_some_columns_have_the_periods_of_these_columns(scored):
    case = case_of(scored)
    residuals = np.array([[350.0, 350.0]])
    np.testing.assert_allclose(case.wrapped(residuals, [2, 4]), [[-10.0, 350.0]])
    np.testing.assert_allclose(case.wrapped(residuals, [0, 2]), [[350.0, -10.0]])
