"""VGG-16, the network of the paper's experiments, with torchvision's names of the weights.

K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
configuration D. The paper calls the 4096-wide layers fc6 and fc7.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError

__all__ = ["LAST_BLOCK", "VGG16"]

LAST_BLOCK = "features.23"
"""The fourth pooling. It is the last layer of the frozen trunk if "the last convolutional block and both fully
connected layers" are trained (section 4 of the paper)."""

# Channels of the convolutions, block by block; each block ends in a pooling that halves the image.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Mean and standard deviation of the images that the published weights were trained on.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(nn.Module):
    """Thirteen convolutions in five blocks, fc6, fc7, and a linear layer for the predictions.

    Weights have the same names and shapes as in ``torchvision.models.vgg16``: convolutions ``features.N`` with N = 0,
    2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28; fc6 ``classifier.0``, fc7 ``classifier.3``, and ``classifier.6``, which
    here has `n_outputs` rows. At 224 pixels the two networks are the same. At other sizes, torchvision's network pools
    the output of the convolutions to 7x7. This network does not, so that small images cost little. Here, fc6 has
    512 (image_size // 32)^2 inputs, and published weights of fc6 fit only at 224 to 255 pixels.

    Initial weights have the same distribution as in torchvision. Weights of convolutions are normal, with a scale that
    depends on the number of outputs (He et al., ICCV 2015). Weights of linear layers are normal with standard deviation
    0.01, and biases are zero.

    Parameters
    ----------
    n_outputs : int
        Number of values to predict.
    image_size : int
        Height and width of the images in pixels, at least 32. Poolings round down: if the size is not a multiple of
        32, some poolings ignore the last row and column.
    fc_width : int
        Outputs of fc6 and of fc7; 4096 in the paper.
    dropout : float
        Share of the outputs of fc6 and of fc7 that training sets to zero.

    Raises
    ------
    InvalidParameterError
        If a parameter is out of range.

    Examples
    --------
    >>> network = VGG16(n_outputs=10, image_size=64, fc_width=16)
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    >>> [name for name, _ in network.named_parameters() if "classifier" in name and "weight" in name]
    ['classifier.0.weight', 'classifier.3.weight', 'classifier.6.weight']
    """

    def __init__(self, n_outputs: int, image_size: int = 224, fc_width: int = 4096, dropout: float = 0.5) -> None:
        check_count("n_outputs", n_outputs)
        check_count("image_size", image_size, least=32)
        check_count("fc_width", fc_width)
        check_fraction("dropout", dropout, open_above=True)
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for block in _BLOCKS:
            for channels in block:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.normalise = _Normalise(image_size)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(before * (image_size // 32) ** 2, fc_width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(fc_width, fc_width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(fc_width, n_outputs),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB or grey images (b, 3 or 1, h, w) with values in [0, 1] to (b, n_outputs).

        Raises
        ------
        InvalidDataError
            If the size of the images is not `image_size`, or the number of channels is not 1 or 3.
        """
        features = self.features(self.normalise(images))
        outputs: Tensor = self.classifier(torch.flatten(features, 1))
        return outputs


class _Normalise(nn.Module):
    """Standardise images as the published weights expect, and repeat grey images over three channels."""

    mean: Tensor
    std: Tensor

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        # Not persistent: the state has the same keys as torchvision's.
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)

    def extra_repr(self) -> str:
        return f"image_size={self.image_size}"

    def forward(self, images: Tensor) -> Tensor:
        size = self.image_size
        if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2:] != (size, size):
            raise InvalidDataError(
                f"This VGG-16 should get images of shape (b, 3 or 1, {size}, {size}). Found shape "
                f"{tuple(images.shape)}. Make crops of that size, or build the network with another `image_size`."
            )
        return (images - self.mean) / self.std
