"""The losses of residuals: L2 (eq. 7), L1, Huber, Cauchy and Tukey's biweight.

All losses with a quadratic part have one convention: near zero `rho(r)` is `r**2`, the squared error of eq. 7. The
robust losses are therefore **twice** the losses of textbooks, which begin with `r**2 / 2`. So Huber and L2 are equal up
to `c` (Figure 2), and with one learning rate, the step for a small residual is the same for every such loss.

The residual of a missing label is NaN; its `rho` and its gradient are 0. The losses do not check for infinite
residuals; the training refuses infinite residuals.

Your own loss is a subclass of `Loss`.
"""

from __future__ import annotations

from deepgum.losses.base import Loss
from deepgum.losses.biweight import TUKEY_C, Biweight
from deepgum.losses.cauchy import Cauchy
from deepgum.losses.huber import Huber
from deepgum.losses.l1 import L1
from deepgum.losses.l2 import L2
from deepgum.losses.registry import LOSSES, get_loss

__all__ = ["L1", "L2", "LOSSES", "TUKEY_C", "Biweight", "Cauchy", "Huber", "Loss", "get_loss"]
