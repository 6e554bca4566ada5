"""The observed part of residuals with missing labels: distances, volumes and expectations under a scale matrix.

The package has this linear algebra three times. `deepgum.mixture.gaussian` computes all groups, and all sets of
observed coordinates, in one batch, because EM during training must be fast. This module computes one group with one
scale matrix at a time. `deepgum.audit.reasons` has a covariance for each sample. The rounding errors of the three
versions differ in the last bit, so one version for all three would change results.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Part", "parts_of"]

FARTHEST = 1e300
"""Maximum squared distance. At an infinite distance, both densities would be 0, and there would be no posterior."""


@dataclass(frozen=True)
class Part:
    """Residuals of one group that have the same observed coordinates.

    Attributes
    ----------
    rows : Tensor (m,)
        The positions of these residuals among all residuals of the group.
    seen : Tensor (o,)
        The observed coordinates: their positions in the group.
    values : Tensor (m, o)
        The observed values.
    """

    rows: Tensor
    seen: Tensor
    values: Tensor

    def squared_distance(self, scale: Tensor) -> Tensor:
        """Return the squared Mahalanobis distances (m,) under the scale matrix (k, k) of the group."""
        factor = torch.linalg.cholesky(self._own(scale))
        whitened: Tensor = torch.linalg.solve_triangular(factor, self.values.T, upper=False)
        return whitened.square().sum(dim=0).clamp_max(FARTHEST)

    def log_volume(self, scale: Tensor) -> float:
        """Return half the log determinant of the observed part of the scale matrix."""
        return 0.5 * float(torch.linalg.slogdet(self._own(scale)).logabsdet)

    def regression(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return a matrix (k, o) and the conditional covariance (k, k), given the observed coordinates.

        The matrix maps the o observed coordinates to the expectations of all k coordinates. An observed coordinate is
        mapped to itself, with the conditional covariance 0.
        """
        seen = self.seen
        gain = torch.linalg.solve(self._own(scale), scale[seen]).T
        rest = scale - gain @ scale[seen]
        gain[seen] = torch.eye(len(seen), dtype=scale.dtype)
        rest[seen], rest[:, seen] = 0.0, 0.0
        return gain, rest

    def _own(self, scale: Tensor) -> Tensor:
        if len(self.seen) == len(scale):
            return scale
        return scale[self.seen][:, self.seen]


def parts_of(values: Tensor) -> list[Part]:
    """Split the residuals (n, k) of a group into parts, one for each set of observed coordinates.

    Rows without a label are left out.

    Examples
    --------
    >>> parts = parts_of(torch.tensor([[1.0, 2.0], [3.0, torch.nan], [torch.nan, torch.nan], [5.0, 6.0]]))
    >>> [(part.rows.tolist(), part.seen.tolist()) for part in parts]
    [([1], [0]), ([0, 3], [0, 1])]
    """
    observed = ~values.isnan()
    if bool(observed.all()):
        rows, seen = torch.arange(len(values)), torch.arange(values.shape[1])
        return [Part(rows, seen, values)]
    parts = []
    for pattern in torch.unique(observed, dim=0):
        seen = pattern.nonzero().flatten()
        if len(seen):
            rows = (observed == pattern).all(dim=1).nonzero().flatten()
            parts.append(Part(rows, seen, values[rows][:, seen]))
    return parts
