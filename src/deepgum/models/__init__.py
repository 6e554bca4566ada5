"""Networks: build one from a name, load its weights, split it into a frozen trunk and a trained head."""

from deepgum.models.expectation import DeepExpectation
from deepgum.models.facenet import FaceNet
from deepgum.models.factory import HEADS, MODELS, Backbone, build_backbone, build_model
from deepgum.models.mlp import MLP
from deepgum.models.regressor import Regressor
from deepgum.models.trunk import TrunkAndHead, split_at
from deepgum.models.vgg import VGG16
from deepgum.models.weights import Loaded, download_vgg16_weights, load_weights, read_weights, save_weights
from deepgum.outputs import OutputOf

__all__ = [
    "HEADS",
    "MLP",
    "MODELS",
    "VGG16",
    "Backbone",
    "DeepExpectation",
    "FaceNet",
    "Loaded",
    "OutputOf",
    "Regressor",
    "TrunkAndHead",
    "build_backbone",
    "build_model",
    "download_vgg16_weights",
    "load_weights",
    "read_weights",
    "save_weights",
    "split_at",
]
