"""The real LFW + NET set, where the environment variable DEEPGUM_DATA names a folder that has it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from deepgum.data import RegressionData, corrupt, load_lfw_net
from deepgum.errors import DeepGUMWarning, MissingImagesError

FOLDER = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "lfw_net"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the LFW + NET set is not here: DEEPGUM_DATA names no folder that holds lfw_net"
)


@pytest.fixture(scope="module")
def sets(crops_of_faces: Path) -> tuple[RegressionData, RegressionData]:
    with pytest.warns(DeepGUMWarning, match="2 of the 10000 images of 'trainImageList.txt'"):
        return load_lfw_net(FOLDER, image_size=32, skip_missing=True, cache_dir=crops_of_faces)


def test_an_incomplete_set_is_refused_with_its_counts() -> None:
    with pytest.raises(MissingImagesError) as caught:
        load_lfw_net(FOLDER)
    message = str(caught.value)
    assert "2 of the 10000 images of 'trainImageList.txt': lfw_5590/Lene_Espersen_0001.jpg, " in message
    assert "2452 of the 3466 images of 'testImageList.txt'" in message


def test_exact_counts(sets: tuple[RegressionData, RegressionData]) -> None:
    train, test = sets
    assert (len(train), len(test)) == (9998, 1014)
    assert sum(name.startswith("lfw_5590/") for name in train.ids) == 4149
    assert sum(name.startswith("net_7876/") for name in train.ids) == 5849
    assert all(name.startswith("net_7876/") for name in test.ids)
    assert len(set(train.ids) | set(test.ids)) == 9998 + 1014


def test_the_first_line_of_the_list_by_hand(sets: tuple[RegressionData, RegressionData]) -> None:
    # The line begins: 84 161 92 169 106.25 107.75. So the box is 77 by 77, the crop 84.7 by 84.7 from (80.15, 88.15).
    train, _ = sets
    assert train.ids[0] == "lfw_5590/Aaron_Eckhart_0001.jpg"
    assert train.targets[0, :2].tolist() == pytest.approx([(106.25 - 80.15) / 84.7, (107.75 - 88.15) / 84.7])
    assert train.normaliser[0].item() == pytest.approx(1 / 1.1)


def test_landmarks_have_the_layout_of_a_face(sets: tuple[RegressionData, RegressionData]) -> None:
    for data in sets:
        points = data.targets.view(-1, 5, 2)
        assert ((points > 0) & (points < 1)).all()
        left_eye, right_eye, _, mouth_left, mouth_right = points.mean(dim=0)
        assert (points[:, 0, 0] < points[:, 1, 0]).all()
        assert left_eye[1] < mouth_left[1]
        assert mouth_left[0] < mouth_right[0]
        assert right_eye[0] == pytest.approx(0.71, abs=0.03)
        assert ((data.normaliser > 0.88) & (data.normaliser < 0.93)).all()


def test_a_mean_face_is_nearly_its_own_mirror_image(sets: tuple[RegressionData, RegressionData]) -> None:
    train, _ = sets
    mirror = train.mirror
    assert mirror is not None
    mean = torch.from_numpy(np.asarray(train.inputs, dtype=np.float32).mean(axis=0))
    correlation = np.corrcoef(mean.flatten(), mirror.images(mean).flatten())[0, 1]
    assert correlation > 0.9
    shape = train.targets.mean(dim=0)
    assert (mirror.targets(shape) - shape).abs().max() < 0.03


def test_eyes_are_darker_than_what_lies_around_them(sets: tuple[RegressionData, RegressionData]) -> None:
    # Were boxes or points read in another order, the pixels at the points would be no darker than the faces' mean.
    for data in sets:
        faces = np.asarray(data.inputs)[:, 0].astype(float)
        places = np.floor(32 * data.targets.numpy()).astype(int).clip(0, 31)
        rows = np.arange(len(data))
        for eye in (0, 1):
            darkness = faces.mean(axis=(1, 2)) - faces[rows, places[:, 2 * eye + 1], places[:, 2 * eye]]
            assert (darkness > 0).mean() > 0.8


def test_corruption_reaches_training_labels_and_leaves_test_labels(sets: tuple[RegressionData, RegressionData]) -> None:
    train, test = sets
    before = test.targets.clone()
    dirty = corrupt(train.targets, "l-ugo", 0.4, torch.Generator().manual_seed(0))
    corrupted = train.with_targets(dirty.targets)
    assert dirty.outlier.sum() == round(0.4 * 5 * 9998)
    assert (corrupted.targets != train.targets).view(-1, 5, 2).any(dim=-1).sum() >= dirty.outlier.sum() - 1
    assert torch.equal(test.targets, before)
