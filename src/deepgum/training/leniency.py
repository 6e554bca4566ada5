"""How strictly labels are judged by a fitted mixture: leniently at first, and then as EM has it.

Training residuals are those of labels that the network has learned in part by heart, and a network errs far on a few
hard samples. The first epochs after the warm-up are when a right label of a hard sample is lost or kept; what a long
training is let in by mistake later, it learns by heart. See `docs/theory.md`.
"""

from __future__ import annotations

import math

from deepgum.mixture import GaussianUniformMixture
from deepgum.training.options import DeepGUMOptions

__all__ = ["HALVED_IN", "leniency", "lenient"]

HALVED_IN = 5
"""Epochs after which half of the leniency is left."""


def leniency(epochs: int) -> float:
    """Return how much of the leniency is left so many epochs after EM began: 1, and less and less.

    Examples
    --------
    >>> leniency(0), leniency(5), leniency(15)
    (1.0, 0.5, 0.25)
    """
    return HALVED_IN / (HALVED_IN + epochs)


def lenient(mixture: GaussianUniformMixture, options: DeepGUMOptions, epochs: int = 0) -> GaussianUniformMixture:
    """Return a fitted mixture as it judges so many epochs after EM began; the mixture itself where that is the same.

    The inliers' standard deviations are multiplied by a factor that begins at `options.widening` and comes down to 1,
    and their tails have degrees of freedom that begin at `options.degrees_of_freedom` and go up to the Gaussian's.

    Examples
    --------
    >>> import torch
    >>> mixture = GaussianUniformMixture().fit(torch.linspace(-1, 1, 9)[:, None] ** 3)
    >>> later = lenient(mixture, DeepGUMOptions(widening=2.0, degrees_of_freedom=4.0), epochs=5)
    >>> float(later.covariances_[0] / mixture.covariances_[0]), later.degrees_of_freedom
    (2.25, 8.0)
    """
    left = leniency(epochs)
    widening, freedom = 1 + (options.widening - 1) * left, options.degrees_of_freedom / left
    if widening == 1 and freedom == math.inf:
        return mixture
    state = mixture.state_dict()
    tails = None if freedom == math.inf else freedom
    return GaussianUniformMixture.from_state_dict(
        state | {"covariances": widening**2 * state["covariances"], "degrees_of_freedom": tails}
    )
