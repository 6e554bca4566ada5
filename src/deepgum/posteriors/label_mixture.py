"""The probability that each label is right, from the mixture that describes the residuals best."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count
from deepgum.errors import IdentifiabilityWarning, InvalidDataError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.partition import Groups
from deepgum.posteriors.choice import Choice, choose, fit_chosen, resolution_of, starts
from deepgum.posteriors.densities import Density, Gaussian, words_of
from deepgum.posteriors.group_mixtures import GroupMixtures
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.shares import REPLICATES, Share, shares_of
from deepgum.posteriors.skew import find_skews, symmetric
from deepgum.progress import Progress, part_of

__all__ = ["LabelMixture"]

Values = NDArray[np.float64]

MOST_ROWS = 200_000
"""Maximum number of rows of a stream that are kept to choose and fit densities."""

SKIP = 2
"""The skew is estimated with every second of the densities, which saves time."""

_INFORMATIVE = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT, MixtureStatus.NO_OUTLIERS)


@dataclass(frozen=True, eq=False)
class LabelMixture:
    """A fitted mixture, and the posteriors of labels under it.

    Attributes
    ----------
    mixture : GaussianUniformMixture
        The fitted eq. 1.
    densities : GroupMixtures
        The mixtures with the chosen densities; see `deepgum.posteriors.group_mixtures`.
    choice : Choice
        The choice of these densities by held-out likelihood.
    status : tuple of MixtureStatus, one per group
        Outcome of the fit; `NO_OUTLIERS` if no mixture is better than right labels alone.
    shares : tuple of Share or None, one per group
        Share of wrong labels, with an interval; None if the share cannot be estimated.
    share : Share or None
        Share of wrong labels in all groups together; None if the share cannot be estimated.
    chosen : tuple of bool, one per group
        Whether the posteriors come from `densities`; otherwise they come from `mixture`.

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
    densities: GroupMixtures
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
        inliers: Inliers = AUTO,
        intervals: bool = True,
        seed: int = 0,
        may_be_skewed: bool = True,
        on_progress: Progress | None = None,
    ) -> LabelMixture:
        """Fit a mixture to residuals (n, d) in memory. NaN marks a missing label.

        Parameters
        ----------
        residuals : array (n, d)
        groups : {"sample", "landmark", "coordinate"} or list of lists of int
            Coordinates that are right or wrong together; see `GaussianUniformMixture`.
        inliers : {"auto", "gaussian", "student-t"}, Density, its class or its path
            Density of right labels; by default the density with the highest held-out likelihood. With "gaussian", eq. 1
            and its verdict are unchanged. See `deepgum.posteriors.inliers`.
        intervals : bool
            Whether to compute intervals of the shares. The bootstrap for the intervals takes most of the time.
        seed : int
            Seed of the bootstrap.
        may_be_skewed : bool
            Whether the residuals of right labels may be skewed; see `deepgum.posteriors.skew`.
        on_progress : callable, optional
            Called as ``on_progress(done, total)`` while densities are chosen, and during the bootstrap.

        Raises
        ------
        InvalidDataError
            If `GaussianUniformMixture.fit` refuses the residuals.
        InvalidParameterError
            If a parameter has an invalid value, or a density of the user lacks a part of the contract.
        """
        densities, seed = candidates(inliers), check_count("seed", seed, least=0)
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the status and the verdict contain the warning
            mixture.fit(residuals)
        return cls._of(
            mixture,
            residuals,
            densities,
            seed,
            intervals=intervals,
            may_be_skewed=may_be_skewed,
            on_progress=on_progress,
        )

    @classmethod
    def fit_batches(
        cls,
        batches: Iterable[Any],
        groups: Groups = "sample",
        *,
        inliers: Inliers = AUTO,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> LabelMixture:
        """Fit a mixture to residuals in batches; see `GaussianUniformMixture.fit_batches`.

        Equation 1 is fitted to all rows. The densities are chosen and fitted on at most `MOST_ROWS` rows, evenly spread
        over the batches.
        """
        densities, seed = candidates(inliers), check_count("seed", seed, least=0)
        mixture = GaussianUniformMixture(groups=groups)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit_batches(batches)
        return cls._of(mixture, _evenly_spread(batches), densities, seed, on_progress=on_progress)

    @classmethod
    def _of(
        cls,
        mixture: GaussianUniformMixture,
        residuals: Values,
        densities: tuple[Density, ...],
        seed: int,
        *,
        intervals: bool = True,
        may_be_skewed: bool = True,
        on_progress: Progress | None = None,
    ) -> LabelMixture:
        values = torch.from_numpy(np.ascontiguousarray(residuals, dtype=np.float64))
        g, gaussian, resolution = len(mixture.status_), Gaussian(), resolution_of(values)
        certain: dict[Density, float] = {gaussian: 1.0}
        is_plain = densities == (gaussian,)
        is_informative = [status in _INFORMATIVE for status in mixture.status_]
        judged = [columns for columns, each in zip(mixture.partition_, is_informative, strict=True) if each]
        is_symmetric = is_plain or not may_be_skewed
        skews = {} if is_symmetric else find_skews(values, judged, densities[::SKIP], resolution)
        values = symmetric(values, skews)
        if is_plain and not intervals:
            choice = Choice((gaussian,) * g, ("uniform",) * g, (certain,) * g)
        else:
            tried = candidates(AUTO) if is_plain else densities
            choice = choose(values, mixture, tried, part_of(on_progress, 0, 50), resolution=resolution)
        kinds, right, plausible = choice.kinds, choice.densities, choice.plausible
        if is_plain:
            kinds = tuple("none" if each is MixtureStatus.NO_OUTLIERS else "uniform" for each in mixture.status_)
            right, plausible = (gaussian,) * g, (certain,) * g
        # If eq. 1 is no mixture, its own parameters are kept, and nothing is fitted.
        kinds = tuple(kind if each else "none" for kind, each in zip(kinds, is_informative, strict=True))
        fitted = fit_chosen(values, starts(mixture, right), kinds, mixture.partition_, resolution=resolution)
        status = tuple(
            (MixtureStatus.NO_OUTLIERS if kind == "none" else MixtureStatus.CONVERGED) if each else given
            for kind, each, given in zip(kinds, is_informative, mixture.status_, strict=True)
        )
        # Heavy tails of right labels, or a long side, may hide wrong labels, so the share is unknown.
        is_known = [
            each and not (kind == "none" and (density.has_heavy_tails or columns[0] in skews))
            for each, kind, density, columns in zip(
                is_informative, kinds, choice.densities, mixture.partition_, strict=True
            )
        ]
        shares, share = shares_of(
            values, fitted, kinds, is_known, plausible, seed,
            resolution=resolution, replicates=REPLICATES * intervals, on_progress=part_of(on_progress, 50, 50),
        )  # fmt: skip
        chosen = tuple(each and not is_plain for each in is_informative)
        fitted = replace(fitted, skews=skews)
        return cls(mixture, fitted, choice, mixture.status_ if is_plain else status, shares, share, chosen)

    def density(self, group: int) -> Density:
        """Return the density of right labels of a group."""
        return self.densities.groups[group].right

    @cached_property
    def degrees_of_freedom(self) -> tuple[float | None, ...]:
        """For each group, the degrees of freedom of Student's t; None for another density."""
        return tuple(group.right.degrees_of_freedom for group in self.densities.groups)

    @cached_property
    def _variances(self) -> tuple[float, ...]:
        return tuple(group.right.variance(len(group.scale)) for group in self.densities.groups)

    def radius(self, group: int) -> float:
        """Return the largest distance of wrong labels in a group, in standard deviations of right labels."""
        return self.densities.groups[group].wrong.radius / math.sqrt(self._variances[group])

    def has_heavy_tails(self, group: int) -> bool:
        """Return whether tails of right labels are so heavy, or one side so long, that they may hide wrong labels."""
        is_skewed = self.densities.partition[group][0] in self.densities.skews
        return self.choice.densities[group].has_heavy_tails or is_skewed

    def prior(self, group: int) -> float:
        """Return the prior pi of a group: the fitted share of right labels."""
        if self.chosen[group]:
            return self.densities.groups[group].prior
        return float(self.mixture.inlier_prior_[group])

    @property
    def inliers(self) -> str:
        """A text that names the densities of right labels."""
        words, skews = words_of(group.right for group in self.densities.groups), list(self.densities.skews.values())
        if not skews:
            return words
        if len(self.status) == 1:
            return f"{words}, {skews[0].words}"
        return f"{words}, skewed in {len(skews)} of {len(self.status)} groups"

    @cached_property
    def covariances(self) -> tuple[Values, ...]:
        """For each group, the covariance (k, k) of the residuals of right labels."""
        estimates = (w * group.scale.numpy() for w, group in zip(self._variances, self.densities.groups, strict=True))
        return tuple(
            covariance if chosen else np.asarray(given)
            for covariance, given, chosen in zip(estimates, self.mixture.covariances_, self.chosen, strict=True)
        )

    def responsibilities(self, residuals: Values) -> Values:
        """Return the probability (n, g) that each label is right; NaN where a group has no label.

        If no verdict on a group is possible, the probability is one half for all labels of the group, so that no label
        is flagged.
        """
        values = self._checked(residuals)
        posteriors = self.densities.responsibilities(values).numpy()
        if all(self.chosen):
            return posteriors
        given = np.where(self.chosen, posteriors, self.mixture.responsibilities(values.numpy()))
        is_informative = np.array([status in _INFORMATIVE for status in self.status])
        return np.where(np.isnan(posteriors), np.nan, np.where(is_informative, given, 0.5))

    def mahalanobis(self, residuals: Values) -> Values:
        """Return the Mahalanobis distance (n, g), in standard deviations of right labels; NaN if there is no label."""
        values = self._checked(residuals)
        distances = self.densities.mahalanobis(values).numpy() / np.sqrt(self._variances)
        if all(self.chosen):
            return distances
        given = self.mixture.mahalanobis(values.numpy())
        return np.where(self.chosen, distances, given)

    def _checked(self, residuals: Values) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(residuals, dtype=np.float64))
        expected = self.mixture.n_features_in_
        if values.ndim != 2 or values.shape[1] != expected:
            raise InvalidDataError(f"Residuals should have shape (n, {expected}). Found {tuple(values.shape)}.")
        return values


def _evenly_spread(batches: Iterable[Any]) -> Values:
    """Return at most `MOST_ROWS` rows of all batches, in the same order, with equal steps between the rows."""
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
