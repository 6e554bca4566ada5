"""A network of fully connected layers, for feature vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError

__all__ = ["MLP"]


class MLP(nn.Module):
    """Network that standardises the features, with hidden layers with ReLU and a linear output layer.

    Features have different units, so the network standardises each feature by its mean and standard deviation in the
    training data. The mean and the standard deviation are saved with the weights, so new data are transformed in the
    same way as the training data.

    Parameters
    ----------
    n_features : int
        Length p of a feature vector.
    n_outputs : int
        Number of values to predict.
    width : int
        Units of each hidden layer.
    depth : int
        Number of hidden layers; 0 is linear regression.
    dropout : float, in [0, 1)
        Share of hidden units that training sets to zero at random.

    Attributes
    ----------
    mean, std : Tensor (p,)
        Mean and standard deviation of the features; 0 and 1 unless `for_features` made the network. A feature that was
        constant in training has the largest float32 number as its standard deviation. Such a feature becomes 0,
        whatever its value, because the network could not learn from it.

    Examples
    --------
    >>> features = torch.tensor([[1.0, 50.0, 7.0], [3.0, 10.0, 7.0], [2.0, 30.0, 7.0]])
    >>> model = MLP.for_features(features, n_outputs=2, width=8)
    >>> model.mean, model.std
    (tensor([ 2., 30.,  7.]), tensor([8.1650e-01, 1.6330e+01, 3.4028e+38]))
    >>> model(features).shape
    torch.Size([3, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int, n_outputs: int, width: int = 256, depth: int = 2, dropout: float = 0.0) -> None:
        check_count("n_features", n_features)
        check_count("n_outputs", n_outputs)
        check_count("width", width)
        check_count("depth", depth, least=0)
        check_fraction("dropout", dropout, open_above=True)
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))
        layers: list[nn.Module] = []
        before = n_features
        for _ in range(depth):
            layers += [nn.Linear(before, width), nn.ReLU(inplace=True), *([nn.Dropout(dropout)] if dropout else [])]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, n_outputs))

    @classmethod
    def for_features(
        cls, features: Tensor, n_outputs: int, width: int = 256, depth: int = 2, dropout: float = 0.0
    ) -> MLP:
        """Return a network that standardises by the mean and the standard deviation of training features (n, p).

        Raises
        ------
        InvalidDataError
            If the features are not floats of shape (n, p), or not finite.
        """
        if features.ndim != 2 or 0 in features.shape or not features.is_floating_point():
            raise InvalidDataError(
                "`features` should be floats of shape (n, p), with at least one sample. "
                f"Found {features.dtype} of shape {tuple(features.shape)}."
            )
        if not features.isfinite().all():
            rows = int((~features.isfinite()).any(dim=1).sum())
            raise InvalidDataError(f"`features` should be finite. Found {rows} samples with infinite features or NaN.")
        model = cls(features.shape[1], n_outputs, width, depth, dropout)
        std, mean = torch.std_mean(features.double(), dim=0, correction=0)
        model.mean.copy_(mean)
        model.std.copy_(std)
        # Test the rounded deviation: one that is too small for float32 counts as zero. Weights files must be finite.
        model.std.masked_fill_(model.std == 0, torch.finfo(torch.float32).max)
        return model

    def forward(self, inputs: Tensor) -> Tensor:
        """Map features (b, p) to (b, n_outputs)."""
        output: Tensor = self.layers((inputs - self.mean) / self.std)
        return output
