"""Densities of right labels: the Gaussian of eq. 1, Student's t, and densities of the user.

The Gaussian of eq. 1 suffices to rank labels and to train. But its posteriors are too certain as probabilities: a
network errs much more on some samples than on others, so the residuals of right labels have heavy tails, like Student's
t.

A density is a subclass of `Density`. A density of this package also has an entry in `DENSITIES`, so "auto" tries it. A
density of the user needs no entry; see `deepgum.posteriors.inliers`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.errors import InvalidParameterError

__all__ = ["DENSITIES", "Density", "Gaussian", "StudentT", "density_of", "log_student", "words_of"]

Values = NDArray[np.float64]


class Density(ABC):
    """Density of right labels' residuals: elliptical about 0, with a scale matrix S that EM estimates.

    With q the squared Mahalanobis distance under S of a residual of k coordinates, the log density of the residual is
    ``log_density(q, k) - log(det(S)) / 2``. A class defines `log_density`, `em_weight`, `variance`, `cdf` and `words`;
    the other parts have defaults. Objects must be immutable and hashable, as frozen dataclasses are.

    Examples
    --------
    >>> StudentT(4.0).variance(dimensions=1), StudentT(4.0).words
    (2.0, "Student's t, 4 degrees of freedom")
    """

    @abstractmethod
    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density (m,) at squared distances (m,), for a scale matrix of determinant 1.

        It is finite at 0, integrates to 1 over the space of this many dimensions, and falls with the distance.
        `dimensions` is the number of observed coordinates; with missing labels, this is the marginal density.
        """

    @abstractmethod
    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the weight (m,) of residuals in the M step of the scale matrix: -2 d `log_density` / d `squared`.

        It is 1 for a Gaussian, and smaller for large residuals of a density with heavy tails. It is finite.
        """

    @abstractmethod
    def variance(self, dimensions: int) -> float:
        """Return the variance of one coordinate for the scale 1: the mean squared distance over `dimensions`."""

    @abstractmethod
    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the probabilities that the squared distance is at most `squared`, for the curve in the report."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The density in words, for summaries and reports: "Gaussian"."""

    @property
    def has_mean_weight_1(self) -> bool:
        """Whether the mean of `em_weight` over samples of the density is 1, in any number of dimensions.

        The M step then divides by the sum of the weights instead of by the number of samples, and EM converges faster.
        """
        return False

    @property
    def has_heavy_tails(self) -> bool:
        """Whether the tails may hide wrong labels. A verdict then never states that no label is wrong."""
        return False

    @property
    def degrees_of_freedom(self) -> float | None:
        """Parameter nu of Student's t, otherwise None. With nu, the groups of a sample share one scale factor."""
        return None

    @classmethod
    def family(cls) -> tuple[Self, ...]:
        """Return the candidate densities of this class; by default the one without parameters."""
        return (cls(),)

    @classmethod
    def words_of_several(cls, members: Sequence[Self]) -> str:
        """Return several densities of this class in words: the densities of several groups."""
        return ", or ".join(dict.fromkeys(member.words for member in members))


@dataclass(frozen=True)
class Gaussian(Density):
    """The density of eq. 1."""

    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density of a standard normal."""
        return -0.5 * (dimensions * math.log(2 * math.pi) + squared)

    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return 1."""
        return torch.ones_like(squared)

    def variance(self, dimensions: int) -> float:
        """Return 1: the scale matrix is the covariance."""
        return 1.0

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the cumulative distribution of chi-squared."""
        from scipy.stats import chi2  # Imported late: `scipy.stats` takes a second.

        return np.asarray(chi2.cdf(squared, dimensions))

    @property
    def words(self) -> str:
        """The name."""
        return "Gaussian"

    @property
    def has_mean_weight_1(self) -> bool:
        """Yes: all weights are 1."""
        return True


@dataclass(frozen=True)
class StudentT(Density):
    """Student's t: a Gaussian whose scale differs from sample to sample.

    Parameters
    ----------
    degrees_of_freedom : float
        nu, above 0. A smaller value means heavier tails.
    """

    degrees_of_freedom: float = 4.0

    LEAST_WITH_VARIANCE = 2.5
    """Minimum degrees of freedom in `variance`; at 2 and below the variance is infinite."""

    MOST_HEAVY = 10.0
    """Maximum degrees of freedom of heavy tails."""

    def __post_init__(self) -> None:
        nu = self.degrees_of_freedom
        if isinstance(nu, bool) or not isinstance(nu, int | float) or not 0 < nu < math.inf:
            raise InvalidParameterError(
                "degrees_of_freedom", "a finite number above 0", nu, "Infinity is `Gaussian()`."
            )

    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density of a multivariate t; a marginal has the same degrees of freedom."""
        return log_student(squared, dimensions, torch.tensor(self.degrees_of_freedom, dtype=torch.float64))

    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the expected precision of the residual, in the unit of the inverse scale."""
        return (self.degrees_of_freedom + dimensions) / (self.degrees_of_freedom + squared)

    def variance(self, dimensions: int) -> float:
        """Return nu / (nu - 2).

        Examples
        --------
        >>> StudentT(4.0).variance(1), StudentT(2.0).variance(1)
        (2.0, 5.0)
        """
        nu = max(self.degrees_of_freedom, self.LEAST_WITH_VARIANCE)
        return nu / (nu - 2)

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the cumulative distribution of F at the squared distance over the number of dimensions."""
        from scipy.stats import f  # Imported late: `scipy.stats` takes a second.

        return np.asarray(f.cdf(squared / dimensions, dimensions, self.degrees_of_freedom))

    @property
    def words(self) -> str:
        """The name and the degrees of freedom."""
        return self.words_of_several([self])

    @property
    def has_mean_weight_1(self) -> bool:
        """Yes, for all degrees of freedom."""
        return True

    @property
    def has_heavy_tails(self) -> bool:
        """Whether there are at most 10 degrees of freedom."""
        return self.degrees_of_freedom <= self.MOST_HEAVY

    @classmethod
    def family(cls) -> tuple[Self, ...]:
        """Return the densities with 20 to 2 degrees of freedom."""
        return tuple(cls(nu) for nu in (20.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0))

    @classmethod
    def words_of_several(cls, members: Sequence[Self]) -> str:
        """Return the name with the least and the largest degrees of freedom."""
        freedom = sorted({member.degrees_of_freedom for member in members})
        several = f"{freedom[0]:g} to {freedom[-1]:g}" if len(freedom) > 1 else f"{freedom[0]:g}"
        return f"Student's t, {several} degrees of freedom"


def log_student(squared: Tensor, k: int | Tensor, nu: Tensor) -> Tensor:
    """Return the log density of Student's t of unit scale in k dimensions, at squared distances.

    Examples
    --------
    >>> import scipy.stats
    >>> found = log_student(torch.tensor([4.0], dtype=torch.float64), 1, torch.tensor(3.0, dtype=torch.float64))
    >>> bool(abs(found.item() - scipy.stats.t(3).logpdf(2.0)) < 1e-12)
    True
    """
    peak = torch.lgamma((nu + k) / 2) - torch.lgamma(nu / 2) - 0.5 * k * (nu * math.pi).log()
    return peak - 0.5 * (nu + k) * torch.log1p(squared / nu)


DENSITIES: dict[str, type[Density]] = {"gaussian": Gaussian, "student-t": StudentT}
"""The named densities of right labels, in the order of "auto"."""


def density_of(degrees_of_freedom: float | None) -> Density:
    """Return the density with the degrees of freedom of a file: Student's t, or a Gaussian for None.

    Examples
    --------
    >>> density_of(4.0), density_of(None)
    (StudentT(degrees_of_freedom=4.0), Gaussian())
    """
    return Gaussian() if degrees_of_freedom is None else StudentT(degrees_of_freedom)


def words_of(densities: Iterable[Density]) -> str:
    """Return densities in words, each kind once.

    Examples
    --------
    >>> words_of([StudentT(4.0), Gaussian(), StudentT(7.0), Gaussian()])
    "Student's t, 4 to 7 degrees of freedom, or Gaussian"
    """
    kinds: dict[type[Density], list[Density]] = {}
    for density in densities:
        kinds.setdefault(type(density), []).append(density)
    # A Gaussian comes last, as the density without heavy tails.
    ordered = sorted(kinds, key=lambda kind: kind is Gaussian)
    return ", or ".join(kind.words_of_several(kinds[kind]) for kind in ordered)
