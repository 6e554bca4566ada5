"""Hard samples: a factor on the covariance that the groups of one sample share.

Equation 1 has one covariance for all samples. But a network errs more on a blurred face than on a sharp one, in all
landmarks at once. So Sigma is multiplied, in each sample, by a factor u that the groups of the sample share. The prior
of u is inverse-gamma with nu degrees of freedom: about 1 in most samples, much larger in a few. The other groups of the
sample are inliers with probabilities r, at squared Mahalanobis distances q, in k coordinates each. Given these groups,
u is inverse-gamma again, and the residual of the group itself is Student's t:

    a = nu + sum r k,  b = nu + sum r q  (sums over the other groups),  delta ~ t_a(0, b / a Sigma)

If the other landmarks of a sample are far from the prediction, larger residuals are accepted; if they fit well, not. In
a sample of one group, the residual is Student's t with nu degrees of freedom. As nu goes to infinity, this is eq. 2.
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
    """Return the fixed point of the responsibilities (n, g), each of which depends on the other groups.

    Parameters
    ----------
    start : Tensor (n, g)
        Start of the iteration; entries without observed coordinates are ignored.
    posterior : callable
        Function of a and b, (n, g) each, that returns the responsibilities (n, g).
    distance, observed : Tensor (n, g)
        Squared Mahalanobis distance of a group, and the number of its observed coordinates.
    degrees_of_freedom : float or Tensor (g,)
        nu.
    sweeps : int
        Number of iterations. Each updates all groups at once.

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
        # An infinite distance has weight 0, and 0 times infinity is NaN.
        certain = torch.where(observed > 0, responsibility, 0.0)
        weighted = torch.where(certain > 0, certain * distance, 0.0)
        a, b = (
            degrees_of_freedom + (each.sum(dim=1, keepdim=True) - each).clamp_min(0.0)
            for each in (certain * observed, weighted)
        )
        responsibility = posterior(a, b)
    return responsibility
