"""Finished runs on small data, which tests of this folder read and do not change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_folder import RunFolder

TRAINING = {"epochs_max": 1, "patience": 1}
SIZES = {"train_size": 24, "validation_size": 12, "test_size": 15}


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DEEPGUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def digits(cache: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run whose targets are four points."""
    data = {"name": "digits", "image_size": 16, **SIZES}
    config = RunConfig.from_mapping({"data": data, "method": {"name": "l2"}, "training": TRAINING})
    return run(config, tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="package")
def ages(cache: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run on a table of images; the table, `ages.csv`, and the images, `faces/`, stand beside the run."""
    folder = tmp_path_factory.mktemp("ages")
    rng = np.random.default_rng(0)
    (folder / "faces").mkdir()
    lines = ["file,age,one,two,split"]
    for index in range(30):
        age = int(rng.integers(10, 60))
        pixels = np.clip(rng.normal(3 * age, 30, (20, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "faces" / f"{index}.png")
        part = ("train", "train", "train", "val", "test")[index % 5]
        lines.append(f"faces/{index}.png,{age},{age / 10},{rng.normal():.4f},{part}")
    (folder / "ages.csv").write_text("\n".join(lines) + "\n")
    options = {"targets": ["age"], "part": "split", "image": "file"}
    data = {"name": "table", "folder": folder / "ages.csv", "image_size": 16, "options": options}
    config = RunConfig.from_mapping({"data": data, "method": {"name": "dex"}, "training": TRAINING})
    return run(config, folder / "run")


@pytest.fixture(scope="package")
def vectors(ages: RunFolder) -> RunFolder:
    """Return a run on the features of the same table."""
    options = {"targets": ["age"], "part": "split", "features": ["one", "two"]}
    data = {"name": "table", "folder": ages.path.parent / "ages.csv", "options": options}
    sections = {"data": data, "method": {"name": "l2"}, "training": TRAINING, "model": {"name": "mlp"}}
    return run(RunConfig.from_mapping(sections), ages.path.parent / "vectors")
