"""Densities of right labels: the Gaussian of eq. 1, Student's t, and those of the user.

To rank labels and to train, the Gaussian of eq. 1 suffices. As probabilities its posteriors are too certain: a network
errs much more on some samples than on others, so the residuals of right labels have heavy tails, like Student's t.

A density is one class that extends `Density`. A density of this package also has a line in `DENSITIES`; then "auto"
tries it, too. A density of the user's needs no line; see `deepgum.posteriors.inliers`.
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
    the other parts have a default. Its objects are immutable and can be keys of a dictionary, as frozen dataclasses.

    Examples
    --------
    >>> StudentT(4.0).variance(dimensions=1), StudentT(4.0).words
    (2.0, "Student's t, 4 degrees of freedom")
    """

    @abstractmethod
    def log_density(self, squared: Tensor, dimensions: int) -> Tensor:
        """Return the log density (m,) at squared distances (m,), for a scale matrix of determinant 1.

        It is finite at 0, integrates to 1 over the space of this many dimensions, and falls with the distance.
        `dimensions` is the number of observed coordinates: where labels are missing, this is the marginal density.
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
        """Return the probability of a squared distance of at most this, for the curve in the report."""

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
        """Whether a wrong label may pass for a right label in the tails. If so, "none are wrong" is never claimed."""
        return False

    @property
    def degrees_of_freedom(self) -> float | None:
        """nu, if this is Student's t: the groups of a sample then share how hard the sample is. Otherwise None."""
        return None

    @classmethod
    def family(cls) -> tuple[Self, ...]:
        """Return the densities of this class to choose from; by default the one without parameters."""
        return (cls(),)

    @classmethod
    def words_of_several(cls, members: Sequence[Self]) -> str:
        """Return several densities of this class in words, for groups of labels that have one each."""
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
        """Return that of chi-squared."""
        from scipy.stats import chi2  # Imported late: `scipy.stats` takes a second.

        return np.asarray(chi2.cdf(squared, dimensions))

    @property
    def words(self) -> str:
        """Its name."""
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
        nu, above 0. The smaller it is, the heavier are the tails.
    """

    degrees_of_freedom: float = 4.0

    LEAST_WITH_VARIANCE = 2.5
    """Least degrees of freedom for `variance`: at 2 and below the variance is infinite."""

    MOST_HEAVY = 10.0
    """Largest degrees of freedom of heavy tails."""

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
        """Return that of F, of the squared distance over the number of dimensions."""
        from scipy.stats import f  # Imported late: `scipy.stats` takes a second.

        return np.asarray(f.cdf(squared / dimensions, dimensions, self.degrees_of_freedom))

    @property
    def words(self) -> str:
        """Its name and its degrees of freedom."""
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
        """Return those of 20 to 2 degrees of freedom."""
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
"""The densities of right labels that have a name, in the order in which "auto" tries them."""


def density_of(degrees_of_freedom: float | None) -> Density:
    """Return the density that a file describes by degrees of freedom: Student's t, or without them a Gaussian.

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
    # A Gaussian comes last: it is what is left where tails are not heavy.
    ordered = sorted(kinds, key=lambda kind: kind is Gaussian)
    return ", or ".join(kind.words_of_several(kinds[kind]) for kind in ordered)
