"""The mixture of a set of residuals, with the density of right labels that suits them: how probable each label is."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.summary import Share
from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.partition import Groups

__all__ = ["LabelMixture"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelMixture:
    """A fitted mixture, and what it says about residuals.

    Attributes
    ----------
    mixture : GaussianUniformMixture
        Fitted.
    shares : tuple of Share or None, one a group
        Of wrong labels, with intervals; None where the mixture cannot tell.
    share : Share or None
        Of all labels together.
    degrees_of_freedom : tuple of float or None, one a group
        Of Student's t; None for a Gaussian.
    inliers : str
        The density of right labels, in words.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> residuals = rng.normal(size=(1000, 1))
    >>> residuals[:200] = rng.uniform(-30, 30, size=(200, 1))
    >>> fitted = LabelMixture.fit(residuals)
    >>> round(fitted.share.estimate, 1), fitted.responsibilities(np.array([[0.0], [9.0]])).round(2).ravel()
    (0.2, array([0.99, 0.  ]))
    """

    mixture: GaussianUniformMixture
    shares: tuple[Share | None, ...]
    share: Share | None
    degrees_of_freedom: tuple[float | None, ...]
    inliers: str

    @classmethod
    def fit(cls, residuals: Values, groups: Groups = "sample", *, inliers: str = "auto", seed: int = 0) -> LabelMixture:
        """Fit to residuals (n, d) in memory; NaN marks a missing label.

        Parameters
        ----------
        residuals : array (n, d)
        groups : as of `GaussianUniformMixture`
        inliers : {"auto", "gaussian", "student-t"}
            The density of right labels; by default the one of the higher held-out likelihood.
        seed : int
            Of folds and of the bootstrap.
        """
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the verdict says it
            mixture.fit(residuals)
        return cls._of(mixture)

    @classmethod
    def fit_batches(
        cls, batches: Iterable[Any], groups: Groups = "sample", *, inliers: str = "auto", seed: int = 0
    ) -> LabelMixture:
        """Fit to residuals that come in batches, as `GaussianUniformMixture.fit_batches` takes them."""
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit_batches(batches)
        return cls._of(mixture)

    @classmethod
    def _of(cls, mixture: GaussianUniformMixture) -> LabelMixture:
        priors = np.asarray(mixture.inlier_prior_)
        shares = tuple(
            Share(1 - float(prior), 1 - float(prior), 1 - float(prior)) if status is MixtureStatus.CONVERGED else None
            for prior, status in zip(priors, mixture.status_, strict=True)
        )
        mean = float(1 - priors.mean())
        return cls(mixture, shares, Share(mean, mean, mean), (None,) * len(priors), "Gaussian")

    @property
    def status(self) -> tuple[MixtureStatus, ...]:
        """What became of the fit of each group."""
        return self.mixture.status_

    def responsibilities(self, residuals: Values) -> Values:
        """Probability that each label is right, (n, g); NaN where a group has none."""
        distance = self.mahalanobis(residuals)
        return np.where(np.isnan(distance), np.nan, self.mixture.responsibilities(residuals))

    def mahalanobis(self, residuals: Values) -> Values:
        """Distance in standard deviations of right labels, (n, g); NaN where a group has none."""
        return self.mixture.mahalanobis(residuals)
