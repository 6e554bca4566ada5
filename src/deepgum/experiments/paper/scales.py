"""The scales of the paper's experiments: the paper's own scale, and a scale for a machine without a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from deepgum.experiments.runs.config import ModelConfig
from deepgum.models.vgg import LAST_BLOCK
from deepgum.training import SGDOptions

__all__ = ["SCALES", "Scale"]


@dataclass(frozen=True)
class Scale:
    """The image size, the network and the options of the training of an experiment.

    Attributes
    ----------
    images : ModelConfig
        The network for images.
    image_size : int
        Side of the images in pixels.
    features : ModelConfig
        The network for data sets of feature vectors instead of images.
    sgd, features_sgd : SGDOptions
        Options of the training on images, and of the training on feature vectors.
    faces : ModelConfig
        The network for Figure 5. At some scales it is smaller than `images`, because Figure 5 needs at least 45
        trainings.
    faces_size : int
    faces_sgd : SGDOptions
    pixels : bool
        True if landmarks are in pixels of the paper's images, False if they are in fractions of the image's side.
    train_sizes : Mapping
        Numbers of training samples: name of a data set -> number. Other data sets use all samples.
    deepgum : str
        The method that replaces the paper's DeepGUM (Algorithm 1), unless the user names methods.
    method_options : Mapping
        Options of methods: name of a method -> options.
    """

    images: ModelConfig
    image_size: int
    features: ModelConfig
    sgd: SGDOptions
    features_sgd: SGDOptions
    faces: ModelConfig
    faces_size: int
    faces_sgd: SGDOptions
    pixels: bool = False
    train_sizes: Mapping[str, int] = field(default_factory=dict)
    deepgum: str = "deepgum-alternate"
    method_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def methods(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the methods to train at this scale, instead of the paper's methods `names`."""
        return tuple(self.deepgum if name == "deepgum-paper" else name for name in names)

    def with_training(self, **changes: Any) -> Scale:
        """Return a copy of the scale in which the given fields have new values in all its `SGDOptions`."""
        names = ("sgd", "features_sgd", "faces_sgd")
        return replace(self, **{name: replace(getattr(self, name), **changes) for name in names})

    def differences(self, network: str, dataset: str = "") -> dict[str, tuple[Any, Any]]:
        """Return the settings that the scale changes: name of the setting -> (value in the paper, value here).

        The string `network` is "images", "features" or "faces".
        """
        # The paper has no experiment on features, so settings for features are compared with the paper's images.
        paper = SCALES["paper"]._settings("images" if network == "features" else network)
        here = self._settings(network)
        changed = {name: (paper[name], here[name]) for name in paper if paper[name] != here[name]}
        if dataset in self.train_sizes:
            changed["training samples"] = ("all", self.train_sizes[dataset])
        return changed

    def _settings(self, network: str) -> dict[str, Any]:
        model, sgd, size = {
            "images": (self.images, self.sgd, self.image_size),
            "features": (self.features, self.features_sgd, self.image_size),
            "faces": (self.faces, self.faces_sgd, self.faces_size),
        }[network]
        values = {"network": model.name, "frozen up to": model.frozen or "none"}
        values["frozen trunk kept as"] = model.cache_dtype if model.frozen else "none"
        if model.name == "vgg16":
            values["width of fc6 and fc7"] = str(model.fc_width)
        settings = {name.replace("_", " "): value for name, value in sgd.effective.items() if name != "device"}
        return {
            "width of fc6 and fc7": "none",
            **values,
            "DeepGUM": self.deepgum,
            "image size": size if network != "features" else "none, features",
            **settings,
        }


# Section 4 trains the last convolutional block and both fully connected layers, with batch size 128 and learning rate
# 1e-4.
_VGG16 = ModelConfig("vgg16", frozen=LAST_BLOCK)
_PAPER = SGDOptions(optimizer="sgd", learning_rate=1e-4, batch_size=128, patience=5)
_SMALL_VGG16 = replace(_VGG16, fc_width=512, cache_dtype="float16")
# A cosine schedule of twelve epochs instead of an early stop. On few images, the score that an early stop needs is
# noisy. At the end of a cosine schedule, scores are not noisy.
_SMALL = SGDOptions(learning_rate=2e-4, schedule="cosine", batch_size=128, epochs_max=12, patience=12)

SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "paper": Scale(
            images=_VGG16,
            image_size=224,
            features=ModelConfig("mlp"),
            sgd=_PAPER,
            features_sgd=SGDOptions(batch_size=128, patience=5),
            faces=_VGG16,
            faces_size=224,
            faces_sgd=_PAPER,
            # The paper's learning rate is for landmarks in pixels.
            pixels=True,
            deepgum="deepgum-paper",
            # Section 4 trains 3 epochs with L2, where Algorithm 1 has an early stop.
            method_options={"deepgum-paper": {"warmup_epochs": 3}},
        ),
        "cpu": Scale(
            images=_SMALL_VGG16,
            image_size=64,
            features=ModelConfig("mlp"),
            sgd=_SMALL,
            features_sgd=SGDOptions(batch_size=128, patience=5),
            faces=ModelConfig("facenet"),
            faces_size=48,
            faces_sgd=SGDOptions(),
            train_sizes={"fld": 5000, "cacd": 8000, "mcgill": 5000},
        ),
    }
)
"""Scales by name: `paper` for a GPU, `cpu` for two cores and some hours."""
