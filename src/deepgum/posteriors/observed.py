"""The observed part of residuals with missing labels: distances, volumes and expectations under a scale matrix.

The package has this linear algebra three times. `deepgum.mixture.gaussian` computes all groups, and all sets of
observed coordinates, in one batch, because EM during training must be fast. This module computes one group, or a stack
of groups of equal size, one set of observed coordinates at a time. `deepgum.audit.reasons` has a covariance for each
sample. The rounding errors of the three versions differ in the last bit, so one version for all three would change
results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Part", "parts_of"]

FARTHEST = 1e300
"""Maximum squared distance. At an infinite distance, both densities would be 0, and there would be no posterior."""


@dataclass(frozen=True)
class Part:
    """Residuals with the same observed coordinates, of one group or of a stack of g groups with k coordinates each.

    Attributes
    ----------
    rows : Tensor (m,)
        The positions of these residuals among all residuals. In a stack: the rows at which any group has a residual of
        this part.
    seen : Tensor (o,)
        The observed coordinates: their positions in the group.
    values : Tensor (m, o) or (g, m, o)
        The observed values; 0 where `present` is False.
    present : Tensor (m,) or (g, m) of bool
        Whether a group has a residual of this part in a row.
    """

    rows: Tensor
    seen: Tensor
    values: Tensor
    present: Tensor

    def __getitem__(self, groups: Tensor) -> Part:
        """Return the same part of some groups of the stack."""
        return Part(self.rows, self.seen, self.values[groups], self.present[groups])

    def squared_distance(self, scale: Tensor) -> Tensor:
        """Return the squared Mahalanobis distances (..., m) under the scale matrices (..., k, k) of the groups."""
        if len(self.seen) == 1:
            return (self.values.square() / self._own(scale))[..., 0].clamp_max(FARTHEST)
        factor = torch.linalg.cholesky(self._own(scale))
        whitened: Tensor = torch.linalg.solve_triangular(factor, self.values.mT, upper=False)
        return whitened.square().sum(dim=-2).clamp_max(FARTHEST)

    def log_volume(self, scale: Tensor) -> Tensor:
        """Return half the log determinant (...,) of the observed part of each scale matrix."""
        if len(self.seen) == 1:
            return 0.5 * self._own(scale)[..., 0, 0].log()
        half: Tensor = 0.5 * torch.linalg.slogdet(self._own(scale)).logabsdet
        return half

    def regression(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return a matrix (..., k, o) and the conditional covariance (..., k, k), given the observed coordinates.

        The matrix maps the o observed coordinates to the expectations of all k coordinates. An observed coordinate is
        mapped to itself, with the conditional covariance 0.
        """
        seen = self.seen
        gain = torch.linalg.solve(self._own(scale), scale[..., seen, :]).mT.contiguous()
        rest = scale - gain @ scale[..., seen, :]
        gain[..., seen, :] = torch.eye(len(seen), dtype=scale.dtype)
        rest[..., seen, :], rest[..., seen] = 0.0, 0.0
        return gain, rest

    def fill(self, target: Tensor, groups: Tensor, values: Tensor) -> None:
        """Write the values (g, m) of the residuals of a stack to `target` (n, all groups), in the columns `groups`."""
        cells = self.rows[:, None], groups
        target[cells] = (values if bool(self.present.all()) else torch.where(self.present, values, target[cells].T)).T

    def _own(self, scale: Tensor) -> Tensor:
        if len(self.seen) == scale.shape[-1]:
            return scale
        return scale[..., self.seen, :][..., self.seen]


def parts_of(values: Tensor) -> list[Part]:
    """Split residuals (n, k), or a stack of residuals (g, n, k), into parts: one for each set of observed coordinates.

    Rows without a label are left out.

    Examples
    --------
    >>> parts = parts_of(torch.tensor([[1.0, 2.0], [3.0, torch.nan], [torch.nan, torch.nan], [5.0, 6.0]]))
    >>> [(part.rows.tolist(), part.seen.tolist()) for part in parts]
    [([1], [0]), ([0, 3], [0, 1])]
    """
    observed = ~values.isnan()
    n, k = values.shape[-2:]
    if bool(observed.all()):
        return [Part(torch.arange(n), torch.arange(k), values, observed[..., 0])]
    codes, patterns = _patterns(observed)
    parts = []
    for code, pattern in enumerate(patterns):
        seen = pattern.nonzero().flatten()
        if len(seen):
            present = codes == code
            rows = present.reshape(-1, n).any(dim=0).nonzero().flatten()
            present = present[..., rows]
            part = values[..., rows, :][..., seen]
            parts.append(Part(rows, seen, torch.where(present[..., None], part, 0.0), present))
    return parts


def _patterns(observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number (..., n) of the pattern of each residual, and the different patterns (p, k), sorted."""
    packed = np.packbits(observed.numpy(), axis=-1)
    size = packed.shape[-1]
    keys = np.ascontiguousarray(packed).view(np.uint8 if size == 1 else f"V{size}")[..., 0]
    different, codes = np.unique(keys, return_inverse=True)
    bits = np.unpackbits(different.view(np.uint8).reshape(-1, size), axis=1, count=observed.shape[-1])
    return torch.from_numpy(codes.reshape(keys.shape)), torch.from_numpy(bits.astype(bool))
