import numpy as np
from scipy.stats import multivariate_normal, norm

from deepgum.audit.reasons import Case, weigh
from deepgum.audit.reasons import population as population_module
from deepgum.audit.reasons.population import Population, Spread
from deepgum.audit.reasons.unit import Unit


def spread(*blocks):
    """Return a covariance of right labels without the covariance of their predictions."""
    ends = np.cumsum([len(block) for block in blocks])
    partition = tuple(tuple(range(end - len(block), end)) for end, block in zip(ends, blocks, strict=True))
    return Spread(partition, blocks, np.zeros((0, ends[-1])))


def test_the_joint_density_has_the_covariance_of_predictions_plus_residuals():
    rng = np.random.default_rng(0)
    predicted = rng.multivariate_normal([50, 80], [[9, 6], [6, 25]], 500)
    errors = np.array([[4.0, 1.0], [1.0, 2.0]])
    population = Population.of(predicted, predicted, ((0, 1),), (errors,), np.ones(2), None)
    expected = multivariate_normal(predicted.mean(axis=0), np.cov(predicted.T, bias=True) + errors)
    given = rng.uniform(30, 100, (20, 2))
    np.testing.assert_allclose(population.log_density(given), expected.logpdf(given))
    np.testing.assert_allclose(population.log_density_of_parts(given, [[0, 1]]), expected.logpdf(given))
    given[0, 1] = np.nan
    marginal = norm(predicted[:, 0].mean(), np.sqrt(expected.cov_object.covariance[0, 0]))
    np.testing.assert_allclose(population.log_density(given)[0], marginal.logpdf(given[0, 0]))


def test_many_columns_have_the_density_of_the_whole_matrix(monkeypatch):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(2, 4, 4))
    wide = Spread(((0, 2, 4, 6), (1, 3, 5, 7)), tuple(root @ root.transpose(0, 2, 1)), rng.normal(size=(5, 8)))
    deviations = rng.normal(0, 3, (12, 8))
    deviations[rng.random((12, 8)) < 0.2] = np.nan
    dense = wide.log_density(deviations)
    monkeypatch.setattr(population_module, "_DENSE", 0)
    np.testing.assert_allclose(wide.log_density(deviations), dense)


def test_the_density_of_a_value_is_half_its_frequency_and_half_gaussian():
    right = np.array([[1.0]] * 30 + [[7.0]] * 10 + [[np.nan]] * 5)
    population = Population(np.array([4.0]), spread(np.array([[9.0]])), [np.sort(right[:40, 0])], np.ones(1), None)
    found = np.exp(population.log_density_of_parts(np.array([[1.0], [7.0], [8.0]]), [[0]]))
    gaussian = norm(4, 3).pdf([1.0, 7.0, 8.0])
    np.testing.assert_allclose(found, 0.5 * gaussian + 0.5 * np.array([0.75, 0.25, 0]))


def test_parts_are_independent_and_missing_values_are_left_out():
    population = Population(
        np.zeros(2), spread(np.array([[1.0, 0.9], [0.9, 1.0]])), [np.zeros(0)] * 2, np.ones(2), None
    )
    found = population.log_density_of_parts(np.array([[1.0, -1.0], [1.0, np.nan]]), [[0], [1]])
    np.testing.assert_allclose(found, [2 * (norm.logpdf(1.0) - np.log(2)), norm.logpdf(1.0) - np.log(2)])


def test_the_centre_of_angles_is_a_circular_mean():
    predicted = np.array([[179.0], [-179.0], [178.0], [-178.0]])
    population = Population.of(predicted, predicted, ((0,),), (np.eye(1),), np.ones(1), (360.0,))
    np.testing.assert_allclose(np.abs(population.centre), 180)
    np.testing.assert_allclose(population.covariance.block([0]), [[1 + 2.5]])


def test_a_column_without_some_predictions_has_the_moments_of_the_others():
    predicted = np.random.default_rng(0).normal([5, -2], [3, 1], (50, 2))
    predicted[10:30, 1] = np.nan
    blocks = (np.array([[0.25]]), np.array([[0.5]]))
    population = Population.of(predicted, predicted, ((0,), (1,)), blocks, np.ones(2), None)
    np.testing.assert_allclose(population.centre, np.nanmean(predicted, axis=0))
    np.testing.assert_allclose(population.covariance.diagonal, np.nanvar(predicted, axis=0) + np.array([0.25, 0.5]))


def test_a_value_that_many_samples_have_is_no_sign_of_a_wrong_unit(scored):
    rng = np.random.default_rng(0)
    truth = np.concatenate([np.ones((300, 1)), rng.uniform(15, 70, (1500, 1))])
    given = (truth + rng.normal(0, 2, truth.shape)).round()
    given[:300] = 1.0
    given[400:700] = rng.permutation(given)[:300]  # many a one, as if of a child, and not 25.4 times older
    case = Case.of(scored(given, truth, sigma=2.0, width=120.0), landmarks=False)
    assert (given[case.flags] == 1).sum() > 40
    assert len(weigh(case, list(Unit().find(case))).findings()) < 0.02 * case.flags.sum()
