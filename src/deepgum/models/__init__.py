"""Networks, and how one is made from a name."""

from deepgum.models.facenet import FaceNet
from deepgum.models.factory import MODELS, build_model
from deepgum.models.regressor import Regressor

__all__ = ["MODELS", "FaceNet", "Regressor", "build_model"]
