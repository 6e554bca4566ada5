from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from deepgum.posteriors.power_law import PowerLaw

CASES = [(b, k) for k in (1, 2, 5) for b in (0.5 * k, 1.0, float(k))]


def density(law: PowerLaw, k: int, m: float) -> float:
    """Density of the distance m, for a scale matrix of determinant 1."""
    surface = 2 * math.pi ** (k / 2) / math.gamma(k / 2) * m ** (k - 1)
    shape = float(law.log_shape(torch.tensor([m**2], dtype=torch.float64), k, k).exp())
    return shape * surface / math.exp(law.log_normaliser(k, k))


@pytest.mark.parametrize(("b", "k"), CASES)
def test_the_mass_is_the_integral_of_the_density(b: float, k: int) -> None:
    law, core = PowerLaw(b, 9.0), math.sqrt(max(1.0, k - b))
    distances = np.array([0.4, core, 4.0, 9.0, 100.0])

    def below(distance: float) -> float:
        ends = [0.0, min(core, distance), min(distance, 9.0)]
        return sum(quad(lambda m: density(law, k, m), *pair)[0] for pair in pairwise(ends))

    found = law.mass(distances, k) / law.mass(np.array(9.0), k)
    np.testing.assert_allclose(found, [below(each) for each in distances], rtol=1e-9)
    assert found[-1] == 1.0


def test_the_unit_of_distances_does_not_matter() -> None:
    # In standard deviations of right labels with a variance of 4, all distances are half as large.
    one, other, distances = PowerLaw(1.0, 20.0), PowerLaw(1.0, 10.0, variance=4.0), np.array([0.2, 1.0, 3.0, 30.0])
    masses = one.mass(2 * distances, 3) / one.mass(np.array(20.0), 3)
    np.testing.assert_allclose(other.mass(distances, 3) / other.mass(np.array(10.0), 3), masses)


def test_a_radius_inside_the_core_is_the_core() -> None:
    assert PowerLaw(1.0, 0.1).log_normaliser(2, 2) == PowerLaw(1.0, 1.0).log_normaliser(2, 2)
