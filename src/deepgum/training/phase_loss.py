"""The loss of each phase of a training with EM after every epoch: robust in the warm-up, weighted afterwards."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deepgum.losses import Cauchy, Loss
from deepgum.losses.student_t import StudentTLoss
from deepgum.processes import Processes
from deepgum.training.loop.label_loss import label_loss, label_spread
from deepgum.training.options import DeepGUMOptions

__all__ = ["PhaseLoss"]

Rows = Callable[[], Tensor | None]
"""Function that returns the residuals (n, d) of the last epoch, or None in the first epoch."""


class PhaseLoss:
    """The losses of a training, with the scales that follow from its labels and residuals.

    If labels have one coordinate, the scale of the first loss follows the residuals from epoch to epoch; see
    `DeepGUMOptions.cauchy_scale`. Otherwise the spread of the labels gives the scale.

    Parameters
    ----------
    options : DeepGUMOptions
        The options `first_loss`, `weighted_loss` and `cauchy_scale`.
    spread : float, optional
        The spread of all labels. By default, it is that of the first batch that has labels, averaged over processes.

    Examples
    --------
    >>> from deepgum.processes import SOLO
    >>> loss, targets = PhaseLoss(DeepGUMOptions(), spread=2.0), torch.zeros(5, 1)
    >>> loss.of_batch(targets, weighted=False, last_residuals=lambda: None, processes=SOLO)
    StudentTLoss(scale=2.0, degrees_of_freedom=1.0)
    >>> loss.name(weighted=True, coordinates=1)
    'weighted l1'
    """

    def __init__(self, options: DeepGUMOptions, spread: float | None = None) -> None:
        self.options, self.spread = options, spread
        self._following: Loss | None = None

    def name(self, weighted: bool, coordinates: int | None) -> str:
        """Return the name of the loss in the history, for labels of d coordinates (None before the first batch)."""
        if not weighted and self._follows_residuals(coordinates):
            return StudentTLoss.name
        loss = self.options.weighted_loss if weighted else self.options.first_loss
        name = loss if isinstance(loss, str) else loss.name
        return f"weighted {name}" if weighted else name

    def of_batch(self, targets: Tensor, weighted: bool, last_residuals: Rows, processes: Processes) -> Loss:
        """Return the loss of a batch with targets (b, d). All processes call this method together."""
        if self.spread is None:
            own = label_spread(targets)
            given = torch.tensor([own or 0.0, own is not None], dtype=torch.float64)
            total, count = processes.sum(given).tolist()
            self.spread = total / count if count else None
        if weighted:
            return label_loss(self.options.weighted_loss, self.options, self.spread)
        if not self._follows_residuals(targets.shape[1]):
            return label_loss(self.options.first_loss, self.options, self.spread)
        if self._following is None:
            residuals, spread = last_residuals(), self.spread or 1.0
            self._following = StudentTLoss(spread) if residuals is None else StudentTLoss.fit(residuals, spread)
        return self._following

    def end_epoch(self) -> None:
        """Forget the scale that follows the residuals, because the next epoch has other residuals."""
        self._following = None

    def _follows_residuals(self, coordinates: int | None) -> bool:
        return coordinates == 1 and self.options.first_loss == Cauchy.name and self.options.cauchy_scale is None
