"""Networks, and how one is made from a name."""

from deepgum.models.expectation import DeepExpectation
from deepgum.models.facenet import FaceNet
from deepgum.models.factory import HEADS, MODELS, Backbone, build_backbone, build_model
from deepgum.models.mlp import MLP
from deepgum.models.regressor import Regressor

__all__ = [
    "HEADS",
    "MLP",
    "MODELS",
    "Backbone",
    "DeepExpectation",
    "FaceNet",
    "Regressor",
    "build_backbone",
    "build_model",
]
