"""Densities of the residuals of right labels: the Gaussian of eq. 1, Student's t, and densities of the user.

The Gaussian of eq. 1 suffices to rank labels and to train networks. But the posteriors of eq. 1 are too close to 0 and
1. The reason is that the errors of a network are much larger on some samples than on others. So the residuals of right
labels have heavy tails, like Student's t.

A density is an object of a subclass of `Density`. Each density of this package has an entry in `DENSITIES`, so that
"auto" tries this density. A density of the user needs no entry; see `deepgum.posteriors.inliers`.
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
    """Density of the residuals of right labels: elliptical around 0, with a scale matrix S that EM estimates.

    Let q be the squared Mahalanobis distance, under S, of a residual of k coordinates. The log density of the residual
    is ``log_density(q, k) - log(det(S)) / 2``. A subclass must define `log_density`, `em_weight`, `variance`, `cdf` and
    `words`. The other attributes have defaults. Objects must be immutable and hashable, like frozen dataclasses.

    Examples
    --------
    >>> StudentT(4.0).variance(dimensions=1), StudentT(4.0).words
    (2.0, "Student's t, 4 degrees of freedom")
    """

    @abstractmethod
    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density (m,) at squared distances (m,), for a scale matrix of determinant 1.

        The density must be finite at 0, have the integral 1, and fall with the distance. `dimensions` is the number of
        observed coordinates. If labels are missing, the result is the marginal density of the observed coordinates.
        """

    @abstractmethod
    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the weight (m,) of residuals in the M step: -2 times the derivative of `log_density` by `squared`.

        The weight must be finite. It is 1 for a Gaussian. If tails are heavy, it is smaller for large residuals.
        """

    @abstractmethod
    def variance(self, dimensions: int) -> float:
        """Return the variance of one coordinate if the scale matrix is the identity.

        The variance is the mean of the squared distance, divided by `dimensions`.
        """

    @abstractmethod
    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the probability that the squared distance of a right label is at most `squared`, for the report."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The name of the density in words, for summaries and reports: "Gaussian"."""

    @property
    def has_mean_weight_1(self) -> bool:
        """Whether the mean of `em_weight` over residuals drawn from the density is 1, in any number of dimensions.

        If so, the M step divides by the sum of the weights instead of the number of samples, and EM converges faster.
        """
        return False

    @property
    def has_heavy_tails(self) -> bool:
        """Whether the tails are so heavy that they may hide wrong labels.

        If so, no verdict states that all labels are right.
        """
        return False

    @property
    def degrees_of_freedom(self) -> float | None:
        """Parameter nu of Student's t; None for other densities.

        If nu is not None, the groups of a sample share one scale factor: see `deepgum.mixture.hard_samples`.
        """
        return None

    @classmethod
    def family(cls) -> tuple[Self, ...]:
        """Return the densities of this class that "auto" tries. By default, one density without parameters."""
        return (cls(),)

    @classmethod
    def words_of_several(cls, members: Sequence[Self]) -> str:
        """Describe the densities of several groups in words. All densities (`members`) must be of this class."""
        return ", or ".join(dict.fromkeys(member.words for member in members))


@dataclass(frozen=True)
class Gaussian(Density):
    """The density of eq. 1."""

    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density of the standard normal distribution."""
        return -0.5 * (dimensions * math.log(2 * math.pi) + squared)

    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return 1 for each residual."""
        return torch.ones_like(squared)

    def variance(self, dimensions: int) -> float:
        """Return 1, because the scale matrix is the covariance."""
        return 1.0

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the cumulative distribution function of chi-squared at `squared`, with `dimensions` degrees."""
        from scipy.stats import chi2  # Imported late: `scipy.stats` takes a second.

        return np.asarray(chi2.cdf(squared, dimensions))

    @property
    def words(self) -> str:
        """The name of the density."""
        return "Gaussian"

    @property
    def has_mean_weight_1(self) -> bool:
        """True, because all weights are 1."""
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
    """Minimum degrees of freedom in `variance`, because the variance is infinite at 2 and below."""

    MOST_HEAVY = 10.0
    """Tails are heavy up to this number of degrees of freedom."""

    def __post_init__(self) -> None:
        nu = self.degrees_of_freedom
        if isinstance(nu, bool) or not isinstance(nu, int | float) or not 0 < nu < math.inf:
            raise InvalidParameterError(
                "degrees_of_freedom", "a finite number above 0", nu, "For infinity, use `Gaussian()`."
            )

    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density of a multivariate t. A marginal density has the same degrees of freedom."""
        return log_student(squared, dimensions, torch.tensor(self.degrees_of_freedom, dtype=torch.float64))

    def em_weight(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return (nu + k) / (nu + q) for each residual: the expected precision, relative to the inverse scale matrix.

        q is `squared` and k is `dimensions`.
        """
        return (self.degrees_of_freedom + dimensions) / (self.degrees_of_freedom + squared)

    def variance(self, dimensions: int) -> float:
        """Return nu / (nu - 2), with nu at least `LEAST_WITH_VARIANCE`.

        Examples
        --------
        >>> StudentT(4.0).variance(1), StudentT(2.0).variance(1)
        (2.0, 5.0)
        """
        nu = max(self.degrees_of_freedom, self.LEAST_WITH_VARIANCE)
        return nu / (nu - 2)

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the cumulative distribution function of the F distribution at `squared` divided by `dimensions`."""
        from scipy.stats import f  # Imported late: `scipy.stats` takes a second.

        return np.asarray(f.cdf(squared / dimensions, dimensions, self.degrees_of_freedom))

    @property
    def words(self) -> str:
        """The name of the density and the degrees of freedom."""
        return self.words_of_several([self])

    @property
    def has_mean_weight_1(self) -> bool:
        """True, for all degrees of freedom."""
        return True

    @property
    def has_heavy_tails(self) -> bool:
        """Whether the degrees of freedom are at most 10."""
        return self.degrees_of_freedom <= self.MOST_HEAVY

    @classmethod
    def family(cls) -> tuple[Self, ...]:
        """Return eight distributions, with degrees of freedom from 20 down to 2."""
        return tuple(cls(nu) for nu in (20.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0))

    @classmethod
    def words_of_several(cls, members: Sequence[Self]) -> str:
        """Return the name of the density, with the smallest and the largest degrees of freedom."""
        freedom = sorted({member.degrees_of_freedom for member in members})
        several = f"{freedom[0]:g} to {freedom[-1]:g}" if len(freedom) > 1 else f"{freedom[0]:g}"
        return f"Student's t, {several} degrees of freedom"


def log_student(squared: Tensor, k: int | Tensor, nu: Tensor) -> Tensor:
    """Return the log density of Student's t with scale 1 in k dimensions, at squared distances.

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
    """Return Student's t with these degrees of freedom, or a Gaussian if `degrees_of_freedom` is None.

    Examples
    --------
    >>> density_of(4.0), density_of(None)
    (StudentT(degrees_of_freedom=4.0), Gaussian())
    """
    return Gaussian() if degrees_of_freedom is None else StudentT(degrees_of_freedom)


def words_of(densities: Iterable[Density]) -> str:
    """Describe densities in words. Each class of densities is named once.

    Examples
    --------
    >>> words_of([StudentT(4.0), Gaussian(), StudentT(7.0), Gaussian()])
    "Student's t, 4 to 7 degrees of freedom, or Gaussian"
    """
    kinds: dict[type[Density], list[Density]] = {}
    for density in densities:
        kinds.setdefault(type(density), []).append(density)
    # A Gaussian comes last, because it has no heavy tails.
    ordered = sorted(kinds, key=lambda kind: kind is Gaussian)
    return ", or ".join(kind.words_of_several(kinds[kind]) for kind in ordered)
