"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from deepgum.training.sgd_options import SGDOptions

__all__ = ["build_optimizer", "build_schedule"]


def build_optimizer(model: nn.Module, options: SGDOptions) -> torch.optim.Optimizer:
    """Return the optimiser that the options name, over the parameters that are trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=decay)
    optimizers: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return optimizers[options.optimizer](parameters, rate, weight_decay=decay)


def build_schedule(optimizer: torch.optim.Optimizer, options: SGDOptions, total: int) -> LRScheduler:
    """Return the schedule that the options name over `total` steps, to be stepped after every batch."""
    if options.schedule == "cosine":
        return CosineAnnealingLR(optimizer, total)
    if options.schedule == "one-cycle":
        return OneCycleLR(optimizer, options.learning_rate, total_steps=total)
    return LambdaLR(optimizer, lambda _: 1.0)
