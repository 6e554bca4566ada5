"""The main job on a few real faces: wrong landmarks are found, and the network is better for it."""

import os
from pathlib import Path

import pytest
import torch

from deepgum.data.corruption import corrupt
from deepgum.data.sets.lfw_net import load_lfw_net
from deepgum.evaluation import detection_scores, failure_rate
from deepgum.residuals import predict
from deepgum.training import SGDOptions, train_method

FOLDER = Path(os.environ.get("DEEPGUM_DATA", "")) / "lfw_net"

pytestmark = [
    pytest.mark.skipif(
        "DEEPGUM_DATA" not in os.environ or not FOLDER.is_dir(),
        reason="needs the real faces: set DEEPGUM_DATA to the folder that holds lfw_net/",
    ),
    pytest.mark.filterwarnings("ignore::deepgum.errors.DeepGUMWarning"),
]


def test_wrong_landmarks_of_real_faces_are_found_and_learned_without(crops_of_faces):
    faces, test = load_lfw_net(FOLDER, image_size=32, skip_missing=True, cache_dir=crops_of_faces)
    order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))
    train, validation = faces.subset(order[:800]), faces.subset(order[800:950])
    generator = torch.Generator().manual_seed(1)
    wrong, validation_wrong = (corrupt(side.targets, "l-ugo", 0.4, generator) for side in (train, validation))
    sgd = SGDOptions(schedule="one-cycle", learning_rate=3e-3, epochs_max=15, patience=15)

    results = {
        name: train_method(
            name,
            train.with_targets(wrong.targets),
            validation.with_targets(validation_wrong.targets),
            groups="landmark",
            sgd=sgd,
        )
        for name in ("l2", "deepgum")
    }
    failures = {
        name: failure_rate(predict(result.model, test), test.targets, test.normaliser, threshold=0.1).overall
        for name, result in results.items()
    }
    assert failures["deepgum"] < 0.5 * failures["l2"]
    found = results["deepgum"]
    # At the price of one run.
    assert found.epochs == results["l2"].epochs
    scores = detection_scores(1 - found.responsibilities, found.flags, wrong.outlier, wrong.displacement, threshold=0.2)
    assert scores.recall_moved > 0.95
    assert scores.precision > 0.9
    # The mixture's own estimate of how many labels are right.
    assert found.mixture.inlier_prior_.mean().item() == pytest.approx(0.6, abs=0.05)
