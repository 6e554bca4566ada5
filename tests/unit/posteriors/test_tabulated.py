from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammainc

from deepgum.posteriors.densities import DENSITIES, Gaussian
from deepgum.posteriors.tabulated import TabulatedDensity


class Wide(Gaussian):
    """A Gaussian of twice the scale: a density that no degrees of freedom describe."""

    def variance(self, dimensions: int) -> float:
        return 4.0

    def cdf(self, squared, dimensions):
        return gammainc(dimensions / 2, np.asarray(squared) / 8)


@pytest.mark.parametrize("k", [1, 2, 8])
def test_between_the_entries_probabilities_are_near_those_of_the_density(k: int) -> None:
    table = TabulatedDensity.of(Wide(), k)
    squared = np.square(np.geomspace(0.01, 50, 500))
    np.testing.assert_allclose(table.cdf(squared, k), Wide().cdf(squared, k), atol=2e-3 * k)
    assert table.variance(k) == 4.0
    np.testing.assert_array_equal(table.cdf(np.array([0.0, 1e20]), k), [0.0, 1.0])


def test_densities_that_degrees_of_freedom_describe_have_no_table() -> None:
    for kind in DENSITIES.values():
        for density in kind.family():
            assert TabulatedDensity.of(density, 2) is None


class Scaled(Gaussian):
    """A Gaussian of a thousand times the scale, in each of its dimensions."""

    def variance(self, dimensions: int) -> float:
        return 1e6 * dimensions

    def cdf(self, squared, dimensions):
        return gammainc(dimensions / 2, np.asarray(squared) / 2e6 / dimensions)


@pytest.mark.parametrize("k", [1, 8])
def test_the_table_has_the_unit_of_the_density(k: int) -> None:
    table, squared = TabulatedDensity.of(Scaled(), k), np.square(np.geomspace(1.0, 1e5, 500))
    assert table.variance(k) == 1e6 * k
    np.testing.assert_allclose(table.cdf(squared, k), Scaled().cdf(squared, k), atol=2e-3 * k)
    # Each table begins and ends at the same probabilities, whatever the unit.
    np.testing.assert_allclose(np.array(table.distances) / np.sqrt(1e6 * k), np.geomspace(1e-3, 1e3, 121))
