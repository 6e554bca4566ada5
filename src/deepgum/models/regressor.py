"""A backbone that predicts in the units of its targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.errors import InvalidDataError

__all__ = ["Regressor"]


class Regressor(nn.Module):
    """phi(x; w): a backbone whose outputs are moved and scaled to where the targets lie.

    An untrained network then predicts the middle of the labels, whatever their unit, and learns equally fast in
    pixels, degrees or years. Middle and scale are the median and the median absolute deviation of the training
    labels, so that wrong labels hardly move them.

    Parameters
    ----------
    backbone : nn.Module
        Maps inputs to (b, d).
    centre, scale : Tensor (d,)
        Offset and positive factor of every output, in the targets' units.

    Examples
    --------
    >>> model = Regressor.for_targets(nn.Linear(3, 2), torch.tensor([[0.0, 10.0], [1.0, 20.0], [2.0, 30.0]]))
    >>> model.centre
    tensor([ 1., 20.])
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, backbone: nn.Module, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("centre", centre.float())
        self.register_buffer("scale", scale.float())

    @classmethod
    def for_targets(cls, backbone: nn.Module, targets: Tensor) -> Regressor:
        """Take centre and scale from training targets (n, d); NaN marks a missing one.

        Raises
        ------
        InvalidDataError
            If a coordinate has no label at all.
        """
        centre = torch.nanmedian(targets, dim=0).values
        if centre.isnan().any():
            raise InvalidDataError(
                f"Coordinates {centre.isnan().nonzero().flatten().tolist()} of the targets have no label at all. "
                "Leave them out, or give at least one label of each."
            )
        scale = 1.4826 * torch.nanmedian((targets - centre).abs(), dim=0).values
        # A coordinate most of whose labels are equal has no MAD; the others' scale serves, or else 1.
        typical = scale[scale > 0].median() if (scale > 0).any() else torch.ones(())
        return cls(backbone, centre, torch.where(scale > 0, scale, typical))

    @staticmethod
    def n_outputs(targets: Tensor) -> int:
        """Return d, how many outputs a backbone for targets (n, d) needs."""
        return targets.shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (b, ...) to predictions (b, d) in the targets' units, always in float32."""
        output: Tensor = self.backbone(inputs)
        return self.centre + self.scale * output.float()
