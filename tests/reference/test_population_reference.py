"""The distribution of right labels: against one covariance matrix of all columns, and counts label by label."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from deepgum.audit.reasons import gaussian
from deepgum.audit.reasons.gaussian import normal
from deepgum.audit.reasons.population import Population, Spread

PARTITION = ((3, 0), (1,), (4, 2))
PERIODS = (0.0, 0.0, 20.0, 0.0, 30.0)


def spread_of(seed: int = 0) -> tuple[Spread, np.ndarray]:
    """Return a covariance, and its matrix (5, 5) of all columns."""
    rng = np.random.default_rng(seed)
    factor, matrix, blocks = rng.normal(size=(3, 5)), np.zeros((5, 5)), []
    for columns in PARTITION:
        root = rng.normal(size=(len(columns), 3))
        blocks.append(root @ root.T + np.eye(len(columns)))
        for i, row in enumerate(columns):
            for j, column in enumerate(columns):
                matrix[row, column] = blocks[-1][i, j]
    return Spread(PARTITION, tuple(blocks), factor), matrix + factor.T @ factor


def population_of() -> tuple[Population, np.ndarray]:
    rng = np.random.default_rng(1)
    spread, matrix = spread_of()
    # Columns differ in the number, the range and the width of their labels, and the third has none.
    values = [np.sort(rng.integers(0, 4 + column, size)).astype(float) for column, size in enumerate((9, 30, 0, 4, 17))]
    centre, widths = np.array([2.0, 3.0, 8.05, 1.0, -14.05]), np.array([1.0, 2.0, 0.5, 4.0, 3.0])
    return Population(centre, spread, values, widths, PERIODS), matrix


def labels_of(n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(2)
    given = rng.integers(-2, 9, (n, 5)) + rng.choice([0.0, 0.3], (n, 5))
    given[rng.random((n, 5)) < 0.2] = np.nan
    return given


def turned(deviations: np.ndarray, columns: list[int]) -> np.ndarray:
    """Return deviations of columns with a period as the nearest of several turns."""
    found = deviations.copy()
    for i, column in enumerate(columns):
        if PERIODS[column]:
            turns = deviations[:, i, None] + PERIODS[column] * np.arange(-5, 6)
            nearest = np.abs(np.nan_to_num(turns)).argmin(axis=1)
            found[:, i] = turns[np.arange(len(turns)), nearest]
    return found


def gaussian_of(deviations: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the log density of each deviation, of its observed coordinates alone."""
    found = np.zeros(len(deviations))
    for row, deviation in enumerate(deviations):
        seen = np.flatnonzero(~np.isnan(deviation))
        if len(seen):
            found[row] = multivariate_normal(np.zeros(len(seen)), matrix[np.ix_(seen, seen)]).logpdf(deviation[seen])
    return found


def value_by_hand(population: Population, matrix: np.ndarray, label: float, column: int) -> float:
    if np.isnan(label):
        return 0.0
    (deviation,) = turned(np.array([[label - population.centre[column]]]), [column])[0]
    width, values = population.widths[column], population.values[column]
    near = sum(label - width / 2 <= value < label + width / 2 for value in values)
    frequency = near / max(len(values), 1) / width
    return float(np.log(0.5 * norm(0, np.sqrt(matrix[column, column])).pdf(deviation) + 0.5 * frequency))


def test_variances_and_blocks_are_those_of_the_matrix_of_all_columns() -> None:
    spread, matrix = spread_of()
    np.testing.assert_allclose(spread.diagonal, matrix.diagonal())
    for columns in ([3, 0], [0, 3], [0], [1], [2], [2, 4]):
        np.testing.assert_allclose(spread.block(columns), matrix[np.ix_(columns, columns)])


def test_the_density_of_a_sample_is_that_of_the_nearest_turn() -> None:
    population, matrix = population_of()
    given = labels_of()
    expected = gaussian_of(turned(given - population.centre, list(range(5))), matrix)
    np.testing.assert_allclose(population.log_density(given), expected)


def test_the_densities_of_single_labels_are_those_of_counts_label_by_label() -> None:
    population, matrix = population_of()
    given = labels_of()
    rows, columns = np.tile(np.arange(len(given)), 4), np.repeat([0, 2, 3, 4], len(given))
    rows, columns = rows[5:-3], columns[5:-3]
    found = population.log_density_of_columns(given[rows, columns], columns)
    expected = [value_by_hand(population, matrix, given[at], at[1]) for at in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("parts", [[[4], [2]], [[2, 4]], [[3, 0], [1]], [[0], [3], [2, 4]]])
def test_parts_are_independent_whether_one_column_or_several(parts: list[list[int]]) -> None:
    population, matrix = population_of()
    given = labels_of()
    expected = np.zeros(len(given))
    for part in parts:
        if len(part) > 1:
            deviations = turned(given[:, part] - population.centre[part], part)
            expected += gaussian_of(deviations, matrix[np.ix_(part, part)])
        else:
            expected += [value_by_hand(population, matrix, label, part[0]) for label in given[:, part[0]]]
    np.testing.assert_allclose(population.log_density_of_parts(given, parts), expected)


@pytest.mark.parametrize("block", [1, 36, 2**20])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_any_residuals_may_have_variances_or_covariances_of_their_own(
    block: int, missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaussian, "_BLOCK", block)
    rng = np.random.default_rng(0)
    residuals, extra = rng.normal(0, 3, (21, 3)), np.zeros((21, 3))
    extra[4:15:2, 1], extra[16:] = 3.0, rng.uniform(0, 2, (5, 3))
    residuals[rng.random((21, 3)) < missing] = np.nan
    root = rng.normal(size=(21, 3, 4))
    covariances = root @ root.transpose(0, 2, 1)
    for own in (covariances, np.repeat(covariances[:1], 21, axis=0)):
        expected = [
            gaussian_of(residual[None], matrix + np.diag(variance))[0]
            for residual, matrix, variance in zip(residuals, own, extra, strict=True)
        ]
        np.testing.assert_allclose(normal(residuals, own, extra).log_density, expected)
    np.testing.assert_allclose(normal(residuals, covariances[0], extra).log_density, expected)
