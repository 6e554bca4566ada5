"""Hard samples: in a sample that is hard to predict, the covariances of all groups are multiplied by one factor.

Equation 1 has one covariance for all samples. But the errors of a network are larger on a blurred face than on a sharp
face, in all landmarks at once. So Sigma is multiplied, in each sample, by a factor u that all groups of the sample
share. The prior of u is inverse-gamma with nu degrees of freedom: u is close to 1 in most samples, and much larger in a
few samples. Consider one group of a sample. Each other group of the sample has k coordinates, a squared Mahalanobis
distance q, and a probability r of being an inlier. Given the other groups, u is inverse-gamma again, and the residual
delta of this group is Student's t:

    a = nu + sum r k,  b = nu + sum r q  (sums over the other groups),  delta ~ t_a(0, b / a Sigma)

If the other landmarks of a sample are far from the prediction, larger residuals are accepted. If the other landmarks
fit well, larger residuals are not accepted. In a sample of one group, the residual is Student's t with nu degrees of
freedom. In the limit of infinite nu, this is eq. 2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["responsibilities_of_hard_samples"]


def responsibilities_of_hard_samples(
    start: Tensor,
    posterior: Callable[[Tensor, Tensor], Tensor],
    *,
    distance: Tensor,
    observed: Tensor,
    degrees_of_freedom: float | Tensor,
    sweeps: int,
) -> Tensor:
    """Return the fixed point of the responsibilities (n, g) in hard samples.

    The responsibility of a group depends on the responsibilities of the other groups of the sample.

    Parameters
    ----------
    start : Tensor (n, g)
        Responsibilities at the start of the iteration. Groups without an observed coordinate are ignored.
    posterior : callable
        Function that takes a (n, g) and b (n, g) of the module docstring and returns the responsibilities (n, g).
    distance, observed : Tensor (n, g)
        Squared Mahalanobis distance of each group (`distance`), and number of its observed coordinates (`observed`).
    degrees_of_freedom : float or Tensor (g,)
        nu of the module docstring.
    sweeps : int
        Number of iterations. Each iteration updates all groups at once.

    Examples
    --------
    >>> def posterior(a, b):  # of a residual of 2 in one dimension
    ...     density = torch.distributions.StudentT(a, 0.0, (b / a).sqrt()).log_prob(torch.tensor(2.0))
    ...     return torch.sigmoid(density + 3)
    >>> small, large = (
    ...     responsibilities_of_hard_samples(
    ...         torch.ones(1, 2), posterior, distance=torch.tensor([[other, 4.0]]), observed=torch.ones(1, 2),
    ...         degrees_of_freedom=4.0, sweeps=9)
    ...     for other in (0.1, 4.0)
    ... )
    >>> bool(small[0, 1] < large[0, 1])  # a sample is harder if its other residual is large
    True
    """
    responsibility = start
    for _ in range(sweeps):
        # An infinite distance has weight 0, but 0 times infinity would be NaN.
        certain = torch.where(observed > 0, responsibility, 0.0)
        weighted = torch.where(certain > 0, certain * distance, 0.0)
        a, b = (
            degrees_of_freedom + (each.sum(dim=1, keepdim=True) - each).clamp_min(0.0)
            for each in (certain * observed, weighted)
        )
        responsibility = posterior(a, b)
    return responsibility
