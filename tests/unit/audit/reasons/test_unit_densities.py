"""The densities of labels in another unit: against SciPy, label by label, for each group and each part of a group."""

import math
from itertools import combinations

import numpy as np
from scipy.stats import multivariate_normal

from deepgum.audit.reasons import Case
from deepgum.audit.reasons.unit import VALUE_CONVERSIONS, Unit
from deepgum.wording import values

PARTITION = [[4], [3, 0], [5, 1, 6], [2]]
PERIODS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0)
CONVERSIONS = {each.words: each for each in VALUE_CONVERSIONS}
N = 60


def case_of(scored):
    """Return a case in which some columns are rounded, one is an angle, and networks disagree on some samples."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([30 + 8 * rng.normal(size=(N, 6)), rng.uniform(-18, 18, (N, 1))], axis=1)
    given = truth + rng.normal(size=(N, 7))
    given[:, 1], given[:, 4] = given[:, 1].round(), given[:, 4].round() + 0.5
    given[:6, :6] *= 2
    given[6:9] *= [1, 10, 1, -1, 1, 1, 1]
    given[9:14, 6] += 15
    given[14:16] = given[14:16] / 2.54
    given[rng.random((N, 7)) < 0.1] = np.nan
    spread = rng.uniform(0.2, 3, (N, 4))
    return Case.of(scored(given, truth, PARTITION, sigma=1.0, width=90.0, spread=spread, periods=PERIODS))


def converted(case, conversion, row, column):
    """Return the residual of a converted label, or None if the conversion is impossible, and log_change and rounding.

    `log_change` is the log of the density of the label divided by the density of the converted label.
    """
    label, scale = case.labels.given[row, column], abs(conversion.scale)
    right = conversion.scale * label + conversion.offset
    residual = right - case.labels.predicted[row, column]
    if PERIODS[column]:
        low, high = case.labels.predicted[:, column].min(), case.labels.predicted[:, column].max()
        slack = 3 * case.deviation[row, column]
        if not low - slack <= right <= high + slack:
            return None
        residual -= PERIODS[column] * round(residual / PERIODS[column])
    step, start = (each[column] for each in case.grids)
    own = (label - start) / step
    if abs(own - round(own)) >= 0.01:
        return residual, math.log(scale), 0.0
    # On a grid: rounded before the change or after, with equal probabilities.
    place = (right - start) / step
    before = max(scale, 1.0) if abs(place - round(place)) <= max(0.5 * scale, 0.01) else 0.0
    return residual, math.log((scale + before) / 2), (scale * step) ** 2 / 12


def log_density(case, conversion, row, group, changed):
    """Return the joint log density of a label of which the columns `changed` are converted; -inf if impossible."""
    columns = PARTITION[group]
    seen = [i for i, column in enumerate(columns) if not np.isnan(case.labels.given[row, column])]
    residual, variance, change = [], [], 0.0
    if not any(columns[i] in changed for i in seen):
        return -np.inf
    for i in seen:
        if columns[i] not in changed:
            residual.append(case.labels.residuals[row, columns[i]])
            variance.append(0.0)
            continue
        found = converted(case, conversion, row, columns[i])
        if found is None:
            return -np.inf
        residual.append(found[0])
        change += found[1]
        variance.append(found[2])
    covariance = case.covariances[group][np.ix_(seen, seen)] + np.diag(variance)
    covariance += case.excess[row, group] * np.eye(len(seen))
    return multivariate_normal(np.zeros(len(seen)), covariance).logpdf(residual) + change


def subsets_of(columns):
    """Return the parts of a group that may have a unit of their own: all subsets but the whole."""
    return [set(each) for size in range(1, len(columns)) for each in combinations(columns, size)]


def expected_of(case, conversion):
    """Return a list of (row, groups, log density) of all hypotheses of one conversion."""
    found = []
    for row, flags in enumerate(case.flags):
        groups = np.flatnonzero(flags).tolist()
        whole = [log_density(case, conversion, row, group, PARTITION[group]) for group in groups]
        found += [(row, (group,), density) for group, density in zip(groups, whole, strict=True)]
        if len(groups) > 1:
            found.append((row, tuple(groups), sum(whole)))
        for group in groups:
            subsets = subsets_of(PARTITION[group])
            for changed in subsets:
                density = log_density(case, conversion, row, group, changed)
                found.append((row, (group,), density - math.log(len(subsets))))
    return sorted(found)


def test_each_hypothesis_has_the_density_of_a_plain_computation(scored):
    case = case_of(scored)
    assert case.flags.any(axis=0).all()
    found = {}
    for each in Unit().find(case):
        covers = np.asarray(each.covers.todense())
        for row, groups, density in zip(each.rows, covers, each.log_likelihood, strict=True):
            found.setdefault(each.mechanism, []).append((int(row), tuple(np.flatnonzero(groups).tolist()), density))
    assert set(found) == set(CONVERSIONS)
    for words in ("Multiplied by 10", "Divided by 2", "Multiplied by 2.54 (inches for centimetres?)",
                  "With the opposite sign", "From degrees Celsius to Fahrenheit"):  # fmt: skip
        expected = expected_of(case, CONVERSIONS[words])
        assert [each[:2] for each in sorted(found[words])] == [each[:2] for each in expected]
        densities = np.array([each[2] for each in expected])
        assert np.isneginf(densities).any()
        assert np.isfinite(densities).any()
        np.testing.assert_allclose([each[2] for each in sorted(found[words])], densities, rtol=1e-7)


def test_usual_conversions_have_half_of_the_prior_count(scored):
    weights = {each.mechanism: each.weight for each in Unit().find(case_of(scored))}
    usual = [words for words, each in CONVERSIONS.items() if each.usual]
    assert sum(weights[words] for words in usual) == 0.5
    assert math.isclose(sum(weights.values()), 1.0)


def test_a_suggestion_changes_the_wrong_columns_and_has_the_variance_of_their_rounding(scored):
    case = case_of(scored)
    conversion = CONVERSIONS["Divided by 2"]
    changes = set()
    for each in Unit().find(case):
        if each.mechanism != conversion.words:
            continue
        covers = np.asarray(each.covers.todense())
        for place, row in enumerate(each.rows):
            for group in np.flatnonzero(covers[place]).tolist():
                label, variance = each.suggest(place, group)
                assert f": {values(label, case.unit)}, " in each.why(place, group)
                given = case.labels.given[row, PARTITION[group]]
                changed = (label != given) & ~np.isnan(given)
                np.testing.assert_array_equal(label[changed], given[changed] / 2)
                for i in np.flatnonzero(changed):
                    step = case.steps(slice(None), slice(None))[row, PARTITION[group][i]]
                    assert variance[i] == (step / 2) ** 2 / 12
                assert not variance[~changed].any()
                changes.add((group, tuple(np.flatnonzero(changed).tolist())))
    assert {(2, (0,)), (2, (1,)), (2, (0, 2)), (2, (0, 1, 2)), (1, (1,)), (1, (0, 1))} <= changes
