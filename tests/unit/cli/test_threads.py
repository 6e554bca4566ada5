"""Trainings on features use one thread, and trainings on images all cores, unless the user gives a number."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from deepgum.cli import main
from deepgum.errors import InvalidDataError

ALL = 3
WORK = {
    "audit": "deepgum.experiments.audits.run.run_audit",
    "fit": "deepgum.experiments.runs.run.run",
    "compare": "deepgum.experiments.paper.compare.compare",
}


@pytest.fixture(autouse=True)
def all_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(ALL)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def threads(tmp_path, monkeypatch):
    """Return a function that calls a command in the folder of two tables, and returns the threads of its work."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((16, 16), dtype=np.uint8)).save("a.png")
    (tmp_path / "ages.csv").write_text("file,area,age\n" + "a.png,1,2\n" * 3)
    for name, key in (("image", '"file"'), ("features", '["area"]')):
        text = f'[data]\nname = "table"\nfolder = "ages.csv"\noptions = {{ {name} = {key}, targets = ["age"] }}\n'
        (tmp_path / f"{name}.toml").write_text(text + ('[model]\nname = "mlp"\n' if name == "features" else ""))
    (tmp_path / "springs_of_steel.py").write_text(
        "from deepgum.data import Dataset, Measure\n"
        "class Springs(Dataset):\n"
        "    name, image_size, needs_folder, measure = 'springs', 0, False, Measure('newtons', landmarks=False)\n"
        "    def pool(self, request, seed): return None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = []

    def stop(*_, **__):
        seen.append(torch.get_num_threads())
        raise InvalidDataError("The work begins.")

    def call(command, *arguments):
        monkeypatch.setattr(WORK[command], stop)
        result = CliRunner().invoke(main, [command, *arguments, "--out", "out"])
        assert "The work begins" in result.output, result.output
        assert torch.get_num_threads() == ALL  # again, after the command
        return seen.pop()

    return call


COMPARE = ("--noise", "uniform", "--dataset")


@pytest.mark.parametrize(
    "call",
    [
        ("audit", "ages.csv", "--features", "area", "--targets", "age"),
        ("fit", "features.toml"),
        ("compare", *COMPARE, "springs_of_steel:Springs"),
    ],
)
def test_a_training_on_features_uses_one_thread_unless_the_user_says_more(threads, call):
    assert threads(*call) == 1
    assert threads(*call, "--threads", "2") == 2


@pytest.mark.parametrize(
    "call",
    [
        ("audit", "ages.csv", "--image", "file", "--targets", "age"),
        ("fit", "image.toml"),
        ("compare", *COMPARE, "digits"),
    ],
)
def test_a_training_on_images_uses_all_cores_unless_the_user_says_fewer(threads, call):
    assert threads(*call) == ALL
    assert threads(*call, "--threads", "1") == 1
