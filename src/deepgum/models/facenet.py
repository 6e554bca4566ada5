"""A small strided network for small images; a laptop trains it in seconds per epoch."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from deepgum.checks import check_count

__all__ = ["FaceNet"]


class FaceNet(nn.Sequential):
    """Four strided convolutions with batch normalisation, then two fully connected layers.

    Each convolution halves the image, so no activation is computed and then discarded by pooling.

    Parameters
    ----------
    in_channels : int
        Channels of the images: 1 for grey, 3 for colour.
    n_outputs : int
        Number of values to predict.
    image_size : int
        Height and width of the images, in pixels.
    width : int
        Number of channels after the first convolution. Later, this number is doubled twice.

    Examples
    --------
    >>> import torch
    >>> FaceNet(in_channels=1, n_outputs=10, image_size=48)(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_channels: int, n_outputs: int, image_size: int, width: int = 32) -> None:
        check_count("image_size", image_size, least=16)
        channels = [in_channels, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        side = image_size
        for depth, (before, after) in enumerate(itertools.pairwise(channels)):
            kernel = 5 if depth == 0 else 3
            layers += [
                nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
            side = (side + 1) // 2
        features = channels[-1] * side * side
        super().__init__(
            *layers,
            nn.Flatten(),
            nn.Linear(features, 8 * width),
            nn.ReLU(inplace=True),
            nn.Linear(8 * width, n_outputs),
        )

    def forward(self, input: Tensor) -> Tensor:
        """Map images (b, c, h, w) with values in [0, 1] to (b, n_outputs)."""
        # Centred, so that the zero padding of the convolutions means grey and not black.
        output: Tensor = super().forward(input - 0.5)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return output
