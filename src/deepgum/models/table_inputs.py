"""The first layer of a network on a table: categories become columns of 0 and 1, gaps are filled and marked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.data.feature_encoding import FeatureEncoding

__all__ = ["TableInputs"]


class TableInputs(nn.Module):
    """A layer without weights to train: features (b, p) of an encoding become numbers (b, q) without gaps.

    A column of k categories becomes k columns of 0 and 1; they are all 0 for a category that is not known. In a column
    of numbers, a gap becomes the mean of the column in the training data. Each column with gaps adds a column that is 1
    in a gap.

    Parameters
    ----------
    encoding : FeatureEncoding

    Attributes
    ----------
    fill : Tensor (p,)
        The mean of each column of numbers in the training data; 0 unless `for_features` made the layer.

    Examples
    --------
    >>> encoding = FeatureEncoding(("area", "city"), ((), ("oslo", "rome")), (True, False))
    >>> features = torch.tensor([[50.0, 1.0], [float("nan"), 0.0], [70.0, -1.0]])
    >>> TableInputs.for_features(encoding, features)(features)
    tensor([[50.,  0.,  0.,  1.],
            [60.,  1.,  1.,  0.],
            [70.,  0.,  0.,  0.]])
    """

    fill: Tensor

    def __init__(self, encoding: FeatureEncoding) -> None:
        super().__init__()
        self.encoding = encoding
        self.register_buffer("fill", torch.zeros(len(encoding.names)))

    @classmethod
    def for_features(cls, encoding: FeatureEncoding, features: Tensor) -> TableInputs:
        """Return the layer for training features (n, p)."""
        layer = cls(encoding)
        means = torch.nanmean(features.double(), dim=0).nan_to_num()
        layer.fill.copy_(means)
        return layer

    def forward(self, inputs: Tensor) -> Tensor:
        """Map features (b, p) to numbers (b, q)."""
        parts = []
        encoding = self.encoding
        for place, (categories, gaps) in enumerate(zip(encoding.categories, encoding.gaps, strict=True)):
            column = inputs[:, place : place + 1]
            if categories:
                places = torch.arange(len(categories), device=inputs.device, dtype=inputs.dtype)
                parts.append((column == places).to(inputs.dtype))
            else:
                parts.append(torch.where(column.isnan(), self.fill[place].to(inputs.dtype), column) if gaps else column)
            if gaps:
                parts.append(column.isnan().to(inputs.dtype))
        return torch.cat(parts, dim=1)
