"""How probable each label is: a mixture with the densities that suit the residuals, and the share of wrong labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_choice, check_count
from deepgum.errors import IdentifiabilityWarning, InvalidDataError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.partition import Groups
from deepgum.posteriors.choice import DEGREES_OF_FREEDOM, Choice, choose, fit_chosen, resolution_of, starts
from deepgum.posteriors.densities import Tails, student_variance
from deepgum.posteriors.shares import Share, shares_of

__all__ = ["INLIERS", "LabelMixture"]

Values = NDArray[np.float64]

INLIERS = {
    "auto": DEGREES_OF_FREEDOM,
    "gaussian": (math.inf,),
    "student-t": tuple(nu for nu in DEGREES_OF_FREEDOM if math.isfinite(nu)),
}
"""Names of the density of right labels, and the degrees of freedom that each chooses from."""

MOST_ROWS = 200_000
"""Of batches, so many rows are kept to choose densities and to fit the chosen ones."""

_HEAVY = 10.0
_TELLS = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT, MixtureStatus.NO_OUTLIERS)


@dataclass(frozen=True, eq=False)
class LabelMixture:
    """A fitted mixture, and what it says about residuals.

    Attributes
    ----------
    mixture : GaussianUniformMixture
        Equation 1, fitted: what the audit's networks are trained with.
    tails : Tails
        The densities that were chosen instead; see `deepgum.posteriors.densities`.
    choice : Choice
        By which held-out likelihoods.
    status : tuple of MixtureStatus, one a group
        `NO_OUTLIERS` where no mixture is better than right labels alone.
    shares : tuple of Share or None, one a group
        Of wrong labels, with intervals; None where the mixture cannot tell.
    share : Share or None
        Of all labels together.
    chosen : tuple of bool, one a group
        Whether `tails` have the say; elsewhere `mixture` does.

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
    tails: Tails
    choice: Choice
    status: tuple[MixtureStatus, ...]
    shares: tuple[Share | None, ...]
    share: Share | None
    chosen: tuple[bool, ...]

    @classmethod
    def fit(
        cls,
        residuals: Values,
        groups: Groups = "sample",
        *,
        inliers: str = "auto",
        intervals: bool = True,
        seed: int = 0,
    ) -> LabelMixture:
        """Fit to residuals (n, d) in memory; NaN marks a missing label.

        Parameters
        ----------
        residuals : array (n, d)
        groups : as of `GaussianUniformMixture`
        inliers : {"auto", "gaussian", "student-t"}
            The density of right labels; by default the one of the highest held-out likelihood. "gaussian" is eq. 1 as
            it stands, with its own verdict.
        intervals : bool
            Whether shares get their intervals; a bootstrap makes them, and takes most of the time.
        seed : int
            Of folds and of the bootstrap.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            As of `GaussianUniformMixture.fit`.
        """
        check_choice("inliers", inliers, INLIERS)
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the verdict says it
            mixture.fit(residuals)
        return cls._of(mixture, residuals, inliers, check_count("seed", seed, least=0), intervals=intervals)

    @classmethod
    def fit_batches(
        cls, batches: Iterable[Any], groups: Groups = "sample", *, inliers: str = "auto", seed: int = 0
    ) -> LabelMixture:
        """Fit to residuals that come in batches, as `GaussianUniformMixture.fit_batches` takes them.

        Densities are chosen and fitted on `MOST_ROWS` rows at most, spread evenly over the batches.
        """
        check_choice("inliers", inliers, INLIERS)
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit_batches(batches)
        return cls._of(mixture, _spread_over(batches), inliers, check_count("seed", seed, least=0))

    @classmethod
    def _of(
        cls, mixture: GaussianUniformMixture, residuals: Values, inliers: str, seed: int, *, intervals: bool = True
    ) -> LabelMixture:
        values = torch.from_numpy(np.ascontiguousarray(residuals, dtype=np.float64))
        as_it_stands = inliers == "gaussian"
        if as_it_stands and not intervals:
            g = len(mixture.status_)
            choice = Choice((math.inf,) * g, ("uniform",) * g, ({math.inf: 1.0},) * g)
        else:
            choice = choose(values, mixture, DEGREES_OF_FREEDOM if as_it_stands else INLIERS[inliers])
        tells = [status in _TELLS for status in mixture.status_]
        kinds, freedom, plausible = choice.kinds, choice.degrees_of_freedom, choice.plausible
        if as_it_stands:
            kinds = tuple("none" if each is MixtureStatus.NO_OUTLIERS else "uniform" for each in mixture.status_)
            freedom, plausible = (math.inf,) * len(kinds), ({math.inf: 1.0},) * len(kinds)
        # Where the mixture is none, its own parameters are kept, and nothing is fitted.
        steps = [kind if told else "none" for kind, told in zip(kinds, tells, strict=True)]
        resolution = resolution_of(values)
        tails = fit_chosen(values, starts(mixture, freedom), steps, mixture.partition_, resolution=resolution)
        status = tuple(
            (MixtureStatus.NO_OUTLIERS if kind == "none" else MixtureStatus.CONVERGED) if told else given
            for kind, told, given in zip(steps, tells, mixture.status_, strict=True)
        )
        # Where right labels alone have tails that heavy, a wrong one may pass for one of them: how many do, who knows.
        heavy = [nu <= _HEAVY for nu in choice.degrees_of_freedom]
        known = [told and not (kind == "none" and h) for told, kind, h in zip(tells, steps, heavy, strict=True)]
        replicates = 100 * intervals
        shares, share = shares_of(
            values, tails, steps, known, plausible, seed, resolution=resolution, replicates=replicates
        )
        chosen = tuple(told and not as_it_stands for told in tells)
        return cls(mixture, tails, choice, mixture.status_ if as_it_stands else status, shares, share, chosen)

    @property
    def degrees_of_freedom(self) -> tuple[float | None, ...]:
        """Of Student's t, one a group; None for a Gaussian."""
        return tuple(nu if math.isfinite(nu) else None for nu in self._freedom)

    @property
    def _freedom(self) -> tuple[float, ...]:
        return tuple(group.degrees_of_freedom for group in self.tails.groups)

    @property
    def _variances(self) -> tuple[float, ...]:
        return tuple(map(student_variance, self._freedom))

    def radius(self, group: int) -> float:
        """Return how far from the prediction the wrong labels of a group end, in standard deviations of right ones."""
        return self.tails.groups[group].radius / math.sqrt(self._variances[group])

    def has_heavy_tails(self, group: int) -> bool:
        """Whether some samples are so much harder than others that a wrong label may pass for one of theirs."""
        return self.choice.degrees_of_freedom[group] <= _HEAVY

    def prior(self, group: int) -> float:
        """Return pi of a group: its share of right labels, as fitted."""
        if self.chosen[group]:
            return self.tails.groups[group].prior
        return float(self.mixture.inlier_prior_[group])

    @property
    def inliers(self) -> str:
        """The density of right labels, in words."""
        finite = sorted({nu for nu in self._freedom if math.isfinite(nu)})
        if not finite:
            return "Gaussian"
        several = f"{finite[0]:g} to {finite[-1]:g}" if len(finite) > 1 else f"{finite[0]:g}"
        some = "" if all(map(math.isfinite, self._freedom)) else ", or Gaussian"
        return f"Student's t, {several} degrees of freedom{some}"

    @property
    def covariances(self) -> tuple[Values, ...]:
        """Covariance (k, k) of each group's right labels; of a t with hardly any, that of 2.5 degrees of freedom."""
        own = (w * group.scale.numpy() for w, group in zip(self._variances, self.tails.groups, strict=True))
        return tuple(
            covariance if chosen else np.asarray(given)
            for covariance, given, chosen in zip(own, self.mixture.covariances_, self.chosen, strict=True)
        )

    def responsibilities(self, residuals: Values) -> Values:
        """Probability that each label is right, (n, g); NaN where a group has none.

        One half throughout a group of which the mixture can tell nothing: nothing is known, and nothing is flagged.
        """
        values = self._checked(residuals)
        chosen = self.tails.responsibilities(values).numpy()
        if all(self.chosen):
            return chosen
        given = np.where(self.chosen, chosen, self.mixture.responsibilities(values.numpy()))
        told = np.array([status in _TELLS for status in self.status])
        return np.where(np.isnan(chosen), np.nan, np.where(told, given, 0.5))

    def mahalanobis(self, residuals: Values) -> Values:
        """Distance in standard deviations of right labels, (n, g); NaN where a group has none."""
        values = self._checked(residuals)
        chosen = self.tails.mahalanobis(values).numpy() / np.sqrt(self._variances)
        if all(self.chosen):
            return chosen
        given = self.mixture.mahalanobis(values.numpy())
        return np.where(self.chosen, chosen, given)

    def _checked(self, residuals: Values) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(residuals, dtype=np.float64))
        expected = self.mixture.n_features_in_
        if values.ndim != 2 or values.shape[1] != expected:
            raise InvalidDataError(f"Residuals should have shape (n, {expected}). Found {tuple(values.shape)}.")
        return values


def _spread_over(batches: Iterable[Any]) -> Values:
    """Return `MOST_ROWS` rows at most, every so-many-th, in order."""
    n = sum(len(_rows(batch)) for batch in batches)
    step = max(1, math.ceil(n / MOST_ROWS))
    kept, first = [], 0
    for batch in batches:
        rows = _rows(batch)
        kept.append(np.asarray(rows[(-first) % step :: step], dtype=np.float64))
        first += len(rows)
    return np.concatenate(kept)


def _rows(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple | list) else batch
