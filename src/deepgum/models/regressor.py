"""A backbone that predicts in the units of its targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.errors import InvalidDataError
from deepgum.outputs import as_predictions

__all__ = ["Regressor"]


class Regressor(nn.Module):
    """phi(x; w): a backbone whose outputs are multiplied by the targets' scale and shifted by their centre.

    An untrained network then predicts the centre of the labels, whatever the unit of the labels, and learns equally
    fast in pixels, degrees or years. The centre is the median of the training labels, and the scale comes from their
    median absolute deviation, because wrong labels hardly change these two statistics.

    Parameters
    ----------
    backbone : nn.Module
        Network that maps inputs to (b, d).
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
        """Return a network with the centre and scale of training targets (n, d); NaN marks a missing target.

        Raises
        ------
        InvalidDataError
            If a coordinate has no label.
        """
        centre = torch.nanmedian(targets, dim=0).values
        if centre.isnan().any():
            raise InvalidDataError(
                "Each coordinate of the targets should have at least one label. Found none for the coordinates "
                f"{centre.isnan().nonzero().flatten().tolist()}. Remove these coordinates, or give labels for them."
            )
        scale = 1.4826 * torch.nanmedian((targets - centre).abs(), dim=0).values
        # The MAD is 0 if most labels of a coordinate are equal; then the mean absolute deviation is used. If all labels
        # of a coordinate are equal, the scale of the other coordinates is used, or else 1.
        scale = torch.where(scale > 0, scale, 1.2533 * torch.nanmean((targets - centre).abs(), dim=0))
        typical = scale[scale > 0].median() if (scale > 0).any() else torch.ones(())
        return cls(backbone, centre, torch.where(scale > 0, scale, typical))

    @staticmethod
    def n_outputs(targets: Tensor) -> int:
        """Return d, the number of outputs of a backbone for targets (n, d)."""
        return targets.shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (b, ...) to predictions (b, d) in the targets' units, always in float32."""
        output: Tensor = as_predictions(self.backbone(inputs), (inputs.shape[0], len(self.centre)))
        return self.centre + self.scale * output.float()
