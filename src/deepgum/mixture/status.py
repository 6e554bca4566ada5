"""The outcome of the fit of one group, in words for users."""

from __future__ import annotations

from enum import Enum

__all__ = ["MixtureStatus"]


class MixtureStatus(Enum):
    """Outcome of the fit of one group. The value of a member is a message, and `remedy` is an instruction.

    Responsibilities are finite and usable for every status:

    - `CONVERGED`, `ITERATION_LIMIT`: responsibilities follow from eq. 2.
    - `NO_OUTLIERS`: a mixture describes the residuals no better than a single Gaussian. The Gaussian is fitted to all
      residuals, and the prior is 1 minus half a sample. Responsibilities are close to 1 in the range of the residuals,
      and fall to 0 far away.
    - `NO_INLIERS`: a mixture describes the residuals no better than a uniform density. The Gaussian comes from the
      robust start, and the prior is half a sample. Responsibilities are close to 0, and fall with the Mahalanobis
      distance.
    - `COLLAPSED_COVARIANCE`: the covariance is at its minimum. Residuals near 0 have a responsibility close to 1.
    - `TOO_FEW_SAMPLES`: the parameters come from the robust start.

    Examples
    --------
    >>> print(MixtureStatus.NO_OUTLIERS.value)
    no outliers: a mixture describes the residuals no better than a single Gaussian
    >>> MixtureStatus.NO_OUTLIERS.is_usable
    True
    """

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration limit: the parameters still changed in the last step"
    NO_OUTLIERS = "no outliers: a mixture describes the residuals no better than a single Gaussian"
    NO_INLIERS = "no inliers: a mixture describes the residuals no better than a uniform density"
    COLLAPSED_COVARIANCE = "collapsed covariance: the inliers lie (almost) in a point or a subspace"
    TOO_FEW_SAMPLES = "too few samples: fewer observed residuals than the covariance has dimensions"

    @property
    def is_usable(self) -> bool:
        """Whether the fit needs no warning: it has converged, or there are no outliers."""
        return self in (MixtureStatus.CONVERGED, MixtureStatus.NO_OUTLIERS)

    @property
    def remedy(self) -> str:
        """The remedy, in a full sentence; empty if no remedy is needed."""
        return _REMEDIES.get(self, "")


_REMEDIES = {
    MixtureStatus.ITERATION_LIMIT: "Raise `max_iter` or `tol`.",
    MixtureStatus.NO_INLIERS: (
        "Fit the network better first, or fix known parameters: `inlier_prior` or the `uniform` density."
    ),
    MixtureStatus.COLLAPSED_COVARIANCE: (
        "Look for copied or memorised labels; use `covariance_type='diag'`, smaller groups or a larger `reg_covar`."
    ),
    MixtureStatus.TOO_FEW_SAMPLES: "Give more labels, or put these coordinates in smaller groups.",
}
