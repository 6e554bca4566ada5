"""The losses that are compared: L2 (eq. 7), L1, Huber, Cauchy and Tukey's biweight.

One convention for all that have a quadratic part: near zero `rho(r)` is `r**2`, the squared error of eq. 7. The robust
losses are therefore **twice** the textbook's, which starts as `r**2 / 2`. So Huber and L2 overlap up to `c` (Figure 2),
and one learning rate makes the same step on a small residual under each of them.

A missing label is a residual of NaN: its `rho` is 0, and so is its gradient. Infinite residuals are not this module's
business; the trainer refuses them.
"""

from __future__ import annotations

from deepgum.losses.base import Loss
from deepgum.losses.kinds import L1, L2, LOSSES, TUKEY_C, Biweight, Cauchy, Huber, get_loss

__all__ = ["L1", "L2", "LOSSES", "TUKEY_C", "Biweight", "Cauchy", "Huber", "Loss", "get_loss"]
