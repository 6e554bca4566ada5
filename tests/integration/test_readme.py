"""The README's Python runs as it stands, one block after the other."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def spots(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright spot at each of two landmarks, a fifth of whose labels are wrong."""
    generator = np.random.default_rng(seed)
    landmarks = generator.uniform(0.2, 0.8, size=(n, 4))
    images = np.zeros((n, 1, 16, 16), dtype=np.uint8)
    for spot in range(2):
        x, y = (landmarks[:, 2 * spot : 2 * spot + 2].T * 16).astype(int)
        images[np.arange(n), 0, y, x] = 255 - 100 * spot
    wrong = generator.random((n, 2)) < 0.2
    shift = generator.uniform(-1, 1, size=(n, 4))
    return images, np.where(np.repeat(wrong, 2, axis=1), landmarks + shift, landmarks)


@pytest.fixture
def given():
    """What the blocks take for given; a fifth of the rows of the table are wrong."""
    (images, landmarks), (more_images, more_landmarks) = spots(200, 0), spots(40, 1)
    generator = np.random.default_rng(2)
    table = generator.normal(size=(300, 3))
    y = table[:, 0] - 2 * table[:, 1] + 0.05 * generator.normal(size=300)
    y[::5] += generator.choice([-1, 1], size=60) * generator.uniform(4, 8, size=60)
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    return {
        "images": images,
        "landmarks": landmarks,
        "more_images": more_images,
        "more_landmarks": more_landmarks,
        "targets": landmarks,
        "predictions": np.zeros_like(landmarks) + 0.5 + 0.01 * generator.normal(size=landmarks.shape),
        "X": table,
        "y": y,
        "dataset": TensorDataset(torch.from_numpy(table).float(), torch.from_numpy(y[:, None]).float()),
        "DataLoader": DataLoader,
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters(), 5e-2),
    }


def doubts(probabilities):
    """Of the rows of the table: what share of the wrong ones is doubted, and of the right ones."""
    doubted = np.asarray(probabilities)[:, 0] < 0.5
    wrong = np.arange(300) % 5 == 0
    return doubted[wrong].mean(), doubted[~wrong].mean()


def test_the_python_of_the_readme_runs(given):
    made = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in BLOCKS:
            # Each stands by itself, on what the reader has.
            namespace = dict(given)
            exec(compile(block, str(README), "exec"), namespace)
            made |= {name: value for name, value in namespace.items() if name not in given}
    assert made["result"].responsibilities.shape == (200, 2)
    assert made["result"].epochs == made["sgd"].epochs_max
    assert made["mixture"].responsibilities(given["targets"]).shape == (200, 2)
    for probabilities in (made["tracker"].responsibilities, made["regressor"].inlier_probability_):
        found, doubted = doubts(probabilities)
        assert found > 0.9
        assert doubted < 0.1


def test_a_loop_of_ones_own_is_twelve_lines():
    (loop,) = (block for block in BLOCKS if "optimizer.step()" in block)
    assert len([line for line in loop.splitlines() if line.strip()]) <= 12
