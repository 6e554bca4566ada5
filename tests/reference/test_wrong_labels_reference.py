"""The density of wrong labels, for labels of many groups at once: against a plain computation label by label."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from deepgum.audit.reasons import wrong_labels
from deepgum.audit.reasons.wrong_labels import WrongLabels, components_of, fit_weights, log_density_of

PARTITION = ((4,), (0, 3), (5, 1, 7), (2,), (6, 8), (9,))
PARTS = ([[0]], [[0, 1]], [[0], [1, 2]], [[0]], [[0], [1]], [[0]])


def densities_of() -> list[WrongLabels]:
    rng, found = np.random.default_rng(0), []
    for group, (columns, parts) in enumerate(zip(PARTITION, PARTS, strict=True)):
        k = len(columns)
        root = rng.normal(size=(k, k + 1))
        covariance = (group + 1) * (root @ root.T + 0.5 * np.eye(k))
        found.append(WrongLabels(covariance, -k * math.log(20.0 + 9 * group), 2.0 + 15 * group, parts))
    return found


def residuals_of(n: int, missing: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    residuals = rng.normal(size=(n, 10)) * 10 ** rng.uniform(-1, 2, (n, 10))
    residuals[rng.random((n, 10)) < missing] = np.nan
    return residuals


def cells_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return four in five of all pairs of a row and a group, in any order."""
    rng = np.random.default_rng(2)
    rows, groups = np.nonzero(rng.random((n, len(PARTITION))) < 0.8)
    order = rng.permutation(len(rows))
    return rows[order], groups[order]


def anywhere_and_shifted(residual: np.ndarray, density: WrongLabels, part: list[int]) -> tuple[float, float]:
    """Return the densities of the observed coordinates of a part, in a box and with a distance of unknown order."""
    deviation = np.sqrt(density.covariance.diagonal())
    # The widths of the box are proportional to standard deviations, and its volume is that of the uniform density.
    widths = deviation * (math.exp(-density.log_uniform) / deviation.prod()) ** (1 / len(deviation))
    seen = [i for i in part if not np.isnan(residual[i])]
    o = len(seen)
    scale = density.covariance[np.ix_(seen, seen)]
    m = max(1.0, math.sqrt(residual[seen] @ np.linalg.solve(scale, residual[seen])))
    ball = math.pi ** (o / 2) / math.gamma(o / 2 + 1) * math.sqrt(np.linalg.det(scale))
    box = widths[seen].prod()
    orders = max(1.0, math.log(max(density.farthest, 1.0)))
    return (1 / box if ball * m**o <= box else 0.0), 1 / (orders * o * ball * m**o)


def in_part(residual: np.ndarray, density: WrongLabels) -> float:
    """Return the mean, over the parts with a label, of the density with this part wrong and the others right."""
    found = []
    for part in density.parts:
        rest = [i for i in range(len(residual)) if i not in part and not np.isnan(residual[i])]
        if np.isnan(residual[part]).all():
            continue
        right = multivariate_normal(np.zeros(len(rest)), density.covariance[np.ix_(rest, rest)]) if rest else None
        found.append(
            (right.pdf(residual[rest]) if right else 1.0) * np.mean(anywhere_and_shifted(residual, density, part))
        )
    return float(np.mean(found)) if found else 0.0


def components_by_hand(residual: np.ndarray, density: WrongLabels, log_any: float) -> list[float]:
    anywhere, shifted = anywhere_and_shifted(residual, density, list(range(len(residual))))
    part = in_part(residual, density) if len(density.parts) > 1 else 0.0
    return [anywhere, shifted, math.exp(log_any), part]


def weights_by_hand(components: np.ndarray, shares: np.ndarray, used: int) -> np.ndarray:
    """Return the weights (used,) after 50 steps of EM, with a prior count of one label per component."""
    weights = np.full(used, 1 / used)
    for _ in range(50):
        counts = np.ones(used)
        for component, share in zip(components, shares, strict=True):
            joint = weights * component[:used]
            counts += share * joint / joint.sum()
        weights = counts / counts.sum()
    return weights


@pytest.mark.parametrize("most", [1, 20, 2**18])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_components_of_labels_of_many_groups(most: int, missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_labels, "_CELLS", most)
    densities, residuals, (rows, groups) = densities_of(), residuals_of(25, missing), cells_of(25)
    log_any = np.random.default_rng(3).uniform(-9, 0, len(rows))
    found = components_of(densities, PARTITION, residuals, rows, groups, log_any)
    for cell, (row, group) in enumerate(zip(rows, groups, strict=True)):
        residual = residuals[row, list(PARTITION[group])]
        if np.isnan(residual).all():  # the marginal density of nothing is 1
            np.testing.assert_allclose(np.exp(found[:2, cell]), 1.0)
            continue
        expected = components_by_hand(residual, densities[group], log_any[cell])
        np.testing.assert_allclose(np.exp(found[:, cell]), expected, rtol=1e-7, atol=1e-200)


def test_weights_of_many_groups_and_the_density_with_these_weights() -> None:
    densities, residuals, (rows, groups) = densities_of(), residuals_of(30, 0.1), cells_of(30)
    shares, log_any = np.random.default_rng(4).random(len(rows)), np.full(len(rows), -8.0)
    components = components_of(densities, PARTITION, residuals, rows, groups, log_any)
    fitted = fit_weights(densities, components, groups, shares)
    density = np.exp(log_density_of(fitted, components, groups))
    for group, (before, after) in enumerate(zip(densities, fitted, strict=True)):
        own = groups == group
        used = 4 if len(before.parts) > 1 else 3
        expected = weights_by_hand(np.exp(components[:, own]).T, shares[own], used)
        np.testing.assert_allclose(np.exp(after.log_weights), expected)
        np.testing.assert_allclose(density[own], expected @ np.exp(components[:used, own]))
        alone = before.fit(residuals[rows[own]][:, list(PARTITION[group])], log_any[own], shares[own])
        np.testing.assert_allclose(alone.log_weights, after.log_weights)


def test_a_group_without_flags_has_equal_weights() -> None:
    densities = densities_of()
    nothing = np.zeros(0, dtype=np.intp)
    for density in fit_weights(densities, np.zeros((4, 0)), nothing, np.zeros(0)):
        used = 4 if len(density.parts) > 1 else 3
        np.testing.assert_allclose(np.exp(density.log_weights), 1 / used)


def test_the_uniform_density_of_observed_coordinates_is_a_marginal_of_the_box() -> None:
    density = WrongLabels(np.array([[4.0, 1.0], [1.0, 9.0]]), -math.log(600.0), 50.0, [[0, 1]])
    # Widths of 20 and 30 make the box of 600 with the shape of the standard deviations 2 and 3.
    residuals = np.array([[1.0, 2.0], [1.0, np.nan], [np.nan, 2.0], [np.nan, np.nan]])
    np.testing.assert_allclose(np.exp(-density.log_uniform_density(residuals)), [600, 20, 30, 1])
