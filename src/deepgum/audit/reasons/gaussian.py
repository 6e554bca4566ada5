"""The Gaussian density of residuals, in total and split into a part of a group and the rest of the group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

__all__ = ["LOG_2_PI", "Normal", "Split", "normal", "split"]

Values = NDArray[np.float64]

LOG_2_PI = math.log(2 * math.pi)
_BLOCK = 2**20
"""Maximum number of matrix entries that are computed at once."""


class Normal(NamedTuple):
    """The density of m residuals under a zero-mean Gaussian. Only observed coordinates count.

    Attributes
    ----------
    log_density, distance, log_volume : arrays (m,)
        Log density, Mahalanobis distance, and half the log determinant of the covariance of the observed coordinates.
    seen : array (m,)
        Number of observed coordinates of each residual.
    """

    log_density: Values
    distance: Values
    log_volume: Values
    seen: Values


def normal(residuals: Values, covariance: Values, extra: Values | None = None) -> Normal:
    """Evaluate N(0, covariance + diag(extra)) at residuals (m, k). A coordinate that is NaN is integrated out.

    Parameters
    ----------
    residuals : array (m, k)
    covariance : array (k, k) or (m, k, k)
        One covariance for all residuals, or a covariance for each residual.
    extra : array (m, k), optional
        Variances that are added to the diagonal of the covariance, for each residual.

    Examples
    --------
    >>> one = normal(np.array([[3.0, np.nan], [3.0, 0.0]]), np.diag([9.0, 4.0]))
    >>> one.distance, one.seen
    (array([1., 1.]), array([1., 2.]))
    """
    observed = ~np.isnan(residuals)
    values = np.where(observed, residuals, 0.0)
    m, k = values.shape
    white, log_volume = np.empty_like(values), np.empty(m)
    if k == 1:
        variance = np.broadcast_to(covariance.reshape(-1), m) + (0.0 if extra is None else extra[:, 0])
        deviation = np.sqrt(np.where(observed[:, 0], variance, 1.0))
        white, log_volume = values / deviation[:, None], np.log(deviation)
    else:
        # Complete residuals without variances of their own share one factorisation.
        own = ~observed.all(axis=1) | (covariance.ndim == 3)
        if extra is not None:
            own |= extra.any(axis=1)
        if not own.all():
            factor = np.linalg.cholesky(covariance)
            white[~own] = solve_triangular(factor, values[~own].T, lower=True).T
            log_volume[~own] = np.log(factor.diagonal()).sum()
        rows, block = np.flatnonzero(own), max(1, _BLOCK // k**2)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            matrices = covariance[part] if covariance.ndim == 3 else np.repeat(covariance[None], len(part), axis=0)
            if extra is not None:
                matrices[:, range(k), range(k)] += extra[part]
            # A missing coordinate becomes independent, with variance 1 and value 0, so it adds nothing.
            matrices = np.where(observed[part, :, None] & observed[part, None, :], matrices, np.eye(k))
            factors = np.linalg.cholesky(matrices)
            white[part] = np.linalg.solve(factors, values[part, :, None])[:, :, 0]
            log_volume[part] = np.log(factors[:, range(k), range(k)]).sum(axis=1)
    seen = observed.sum(axis=1).astype(np.float64)
    squared = np.square(white).sum(axis=1)
    return Normal(-0.5 * (squared + seen * LOG_2_PI) - log_volume, np.sqrt(squared), log_volume, seen)


class Split(NamedTuple):
    """The Gaussian density of m residuals, as a product: the density of the rest, and of a part given the rest.

    Attributes
    ----------
    log_rest : array (m,)
        Log density of all observed coordinates outside the part of s coordinates.
    mean, covariance : arrays (m, s) and (m, s, s)
        Mean and covariance of the part, given the rest.
    """

    log_rest: Values
    mean: Values
    covariance: Values


def split(
    residuals: Values, covariance: Values, parts: Sequence[Sequence[int]], excess: Values | None = None
) -> list[Split]:
    """Split N(0, covariance + excess I) at residuals (m, k) into a part and the rest, for each item of `parts`.

    There is one factorisation for all parts and for all residuals with the same observed coordinates and the same
    excess variance (m,). `log_rest` is as exact as a factorisation of the rest alone, however far the part is from 0.

    Examples
    --------
    >>> (one,) = split(np.array([[1e9, 1.0]]), np.array([[1.0, 0.6], [0.6, 1.0]]), [[0]])
    >>> one.log_rest.round(3), one.mean.round(3), one.covariance.round(3)
    (array([-1.419]), array([[0.6]]), array([[[0.64]]]))
    """
    m, k = residuals.shape
    observed = ~np.isnan(residuals)
    own = np.zeros(m) if excess is None else excess
    found = [Split(np.empty(m), np.empty((m, len(part))), np.empty((m, len(part), len(part)))) for part in parts]
    same: dict[bytes, list[int]] = {}
    for row, key in enumerate(np.column_stack([observed, own])):
        same.setdefault(key.tobytes(), []).append(row)
    for rows in same.values():
        first, values = rows[0], np.nan_to_num(residuals[rows])
        seen = observed[first]
        # A missing coordinate becomes independent, with variance 1 and value 0.
        matrix = np.where(seen[:, None] & seen, covariance + own[first] * np.eye(k), np.eye(k))
        factor = np.linalg.cholesky(matrix)
        inverse = solve_triangular(factor, np.eye(k), lower=True)
        white, log_volume = values @ inverse.T, float(np.log(factor.diagonal()).sum())
        for part, each in zip(map(list, parts), found, strict=True):
            basis, triangle = np.linalg.qr(inverse[:, part])
            rest = white - values[:, part] @ inverse[:, part].T
            along = rest @ basis
            squared = np.square(rest - along @ basis.T).sum(axis=1)
            count = seen.sum() - seen[part].sum()
            log_part = float(np.log(np.abs(triangle.diagonal())).sum())
            each.log_rest[rows] = -0.5 * (squared + count * LOG_2_PI) - log_volume - log_part
            root = np.linalg.inv(triangle)
            each.mean[rows] = -along @ root.T
            each.covariance[rows] = root @ root.T
    return found
