"""The registry of losses: every loss of the package by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deepgum.losses.base import Loss
from deepgum.losses.biweight import Biweight
from deepgum.losses.cauchy import Cauchy
from deepgum.losses.huber import Huber
from deepgum.losses.l1 import L1
from deepgum.losses.l2 import L2
from deepgum.plugins import resolve

__all__ = ["LOSSES", "get_loss"]

_KINDS: tuple[type[Loss], ...] = (
    L2,
    L1,
    Cauchy,
    Huber,
    Biweight,
)

LOSSES: Mapping[str, type[Loss]] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every loss by its name. Each loss defines the training method of the same name (`deepgum.training.METHODS`)."""


def get_loss(loss: str | Loss | type[Loss], parameter: str = "loss") -> Loss:
    """Return the loss that a value stands for.

    Parameters
    ----------
    loss : str, Loss or class
        A name in `LOSSES`, a loss, its class, or the path "package.module:name" of a loss or a class. A class is called
        without arguments.
    parameter : str
        The name of the parameter, for the message of an error.

    Raises
    ------
    UnknownNameError
        If the name is not in `LOSSES`.
    InvalidParameterError
        If the loss cannot be imported, or lacks a part of the contract. The message names the part.

    Examples
    --------
    >>> get_loss("huber"), get_loss("deepgum.losses:L1")
    (Huber(c=4.6851), L1())
    """
    return resolve(parameter, loss, LOSSES, Loss)  # type: ignore[type-abstract]  # only subclasses are instantiated
