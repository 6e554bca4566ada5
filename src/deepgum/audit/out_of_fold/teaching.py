"""What a learner is told of the labels: how probably each is right, with and without a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.mixture.blocks import make_block
from deepgum.mixture.em import EM
from deepgum.mixture.partition import Partition
from deepgum.mixture.spread import spread
from deepgum.mixture.uniform import OutlierMoments

__all__ = ["Teaching", "weights_without_verdict"]

Values = NDArray[np.float64]

_EM = EM("full", OutlierMoments(), None, separation=0.0, reg_covar=1e-6, tol=1e-3, max_iter=100)


@dataclass(frozen=True)
class Teaching:
    """Posteriors (n, g) of labels being right; NaN where a group has none.

    Attributes
    ----------
    responsibilities : array
        Of the densities that were chosen, and 1 or nearly so where there seem to be no wrong labels: what is flagged.
    weights : array
        Of eq. 1 where EM comes to rest, whatever the verdict. To learn without a label costs little, and to learn from
        a wrong one a lot; so a learner is told more than is flagged.
    """

    responsibilities: Values
    weights: Values


def weights_without_verdict(residuals: Values, partition: Partition) -> Values:
    """Return the posteriors (n, g) of eq. 1 where EM comes to rest; NaN where a group has no label.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> weights = weights_without_verdict(rng.normal(size=(500, 1)), ((0,),))
    >>> weights.shape, bool(weights.min() < 0.5)
    ((500, 1), True)
    """
    weights = np.full((len(residuals), len(partition)), np.nan)
    for place, columns in enumerate(partition):
        values = residuals[:, list(columns)]
        seen = ~np.isnan(values).any(axis=1)
        if seen.sum() <= len(columns):
            weights[seen, place] = 1.0
            continue
        block = torch.from_numpy(np.ascontiguousarray(values[seen].T))[None]
        spreads = spread(block)
        parameters = _EM.run(make_block(block.clone()), spreads, _EM.start(spreads)).parameters
        inlier, outlier = parameters.log_joint(block)
        weights[seen, place] = torch.sigmoid(inlier - outlier)[0].numpy()
    return weights
