"""Why a group has no outliers: there are none, or they are hardly wider spread than the inliers.

The mixture asks that outliers be a good deal wider than inliers, and where they are not it says that there are none:
residuals of hard samples look like that. Fitted again without asking, it tells the two cases apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.partition import Partition

__all__ = ["heavy_tails"]


def heavy_tails(
    residuals: NDArray[np.float64] | Iterable[Any], partition: Partition, status: tuple[MixtureStatus, ...]
) -> tuple[bool, ...]:
    """Return of each group whether it has no outliers only because they are too near.

    Parameters
    ----------
    residuals : array (n, d), or batches as of `GaussianUniformMixture.fit_batches`
    partition : tuple of tuples of int
        The groups.
    status : tuple of MixtureStatus
        What became of their fits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> normal = rng.normal(size=(2000, 2))
    >>> residuals = normal * [1, 1] * np.where(rng.random((2000, 1)) < 0.3, [1, 2], 1)
    >>> heavy_tails(residuals, ((0,), (1,)), (MixtureStatus.NO_OUTLIERS, MixtureStatus.NO_OUTLIERS))
    (False, True)
    """
    if MixtureStatus.NO_OUTLIERS not in status:
        return (False,) * len(status)
    mixture = GaussianUniformMixture(groups=partition, separation=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)
        if isinstance(residuals, np.ndarray):
            mixture.fit(residuals)
        else:
            mixture.fit_batches(residuals)
    found = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)
    return tuple(
        before is MixtureStatus.NO_OUTLIERS and now in found
        for before, now in zip(status, mixture.status_, strict=True)
    )
