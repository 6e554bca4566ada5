"""The README's Python runs as it stands, one block after the other."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

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


@pytest.fixture(scope="module")
def namespace():
    (images, landmarks), (more_images, more_landmarks) = spots(200, 0), spots(40, 1)
    generator = np.random.default_rng(2)
    return {
        "images": images,
        "landmarks": landmarks,
        "more_images": more_images,
        "more_landmarks": more_landmarks,
        "targets": landmarks,
        "predictions": np.zeros_like(landmarks) + 0.5 + 0.01 * generator.normal(size=landmarks.shape),
    }


def test_the_python_of_the_readme_runs(namespace):
    assert len(BLOCKS) >= 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in BLOCKS:
            exec(compile(block, str(README), "exec"), namespace)
    assert namespace["result"].responsibilities.shape == (200, 2)
    assert namespace["mixture"].responsibilities(namespace["targets"]).shape == (200, 2)
