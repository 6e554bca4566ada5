"""The page of the architecture: the code that it offers works as pasted, and the files that it names are there."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import deepgum
from deepgum.audit.reasons import REASONS
from deepgum.data import Dataset
from deepgum.data.sets.request import Request
from deepgum.losses import LOSSES, Loss
from deepgum.plugins import resolve

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def code():
    """The class blocks of the page, by the name of the class."""
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names = {match[1]: block for block in blocks if (match := re.search(r"^class (\w+)", block, re.MULTILINE))}
    assert sorted(names) == ["Laplace", "Placeholder", "Springs", "Welsch"]
    return names


@pytest.fixture
def module(code, tmp_path, monkeypatch):
    """Paste a class of the page into a file of the working folder, and return its path as a plug-in."""
    monkeypatch.chdir(tmp_path)

    def paste(name):
        (tmp_path / f"pasted_{name.lower()}.py").write_text(code[name], encoding="utf-8")
        return f"pasted_{name.lower()}:{name}"

    return paste


@pytest.fixture
def ages():
    """Predictions and labels; the first 20 labels are 99."""
    random = np.random.default_rng(0)
    given = random.uniform(20, 60, size=500)
    predicted = given + random.normal(0, 2, size=500)
    given[:20] = 99
    return predicted, given


def test_every_file_that_the_page_names_is_there():
    names = {name for name in re.findall(r"`((?:\w+/)*\w+\.py)`", TEXT) if "NAME" not in name}
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("src/**/*.py")}
    missing = [name for name in names if not any(file.endswith(f"/{name}") for file in files)]
    pasted = {"my_losses.py"}
    assert len(names) > 30
    assert set(missing) == pasted


def test_every_room_is_on_the_page():
    rooms = {path.name for path in (ROOT / "src" / "deepgum").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert all(f"`{room}/`" in TEXT for room in rooms)


def test_the_loss_of_the_page_trains(module):
    loss = resolve("loss", module("Welsch"), LOSSES, Loss)
    torch.testing.assert_close(loss(torch.tensor([[0.0, 9.0]])), torch.tensor(0.5))
    data = deepgum.RegressionData.from_arrays(torch.rand(40, 2), torch.rand(40, 1))
    sgd = deepgum.SGDOptions(epochs_max=1)
    result = deepgum.fit_loss(deepgum.build_model("mlp", data, seed=0), data, data, loss=loss, sgd=sgd)
    assert result.epochs == 1


def test_the_data_set_of_the_page_is_split(module):
    subset = resolve("dataset", module("Springs"), {}, Dataset).load(Request(folder=None), seed=0)
    assert (len(subset.train), len(subset.validation), len(subset.test)) == (210, 30, 60)


def test_the_reason_of_the_page_is_found(module, ages):
    scored = deepgum.score_labels(*ages, reasons=[module("Placeholder")])
    assert "placeholder" not in REASONS
    assert {scored.labels.why[row, 0] for row in range(20)} == {"The label is 99, which stands for a missing value."}


def test_the_density_of_the_page_judges(module, ages):
    scored = deepgum.score_labels(*ages, inliers=module("Laplace"))
    assert scored.labels.flags[:20].all()
    assert scored.labels.flags[20:].mean() < 0.02
