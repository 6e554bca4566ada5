"""Every example parses, says which command runs it, and trains: an epoch, on data of its form that the test writes."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from deepgum.cli import main
from deepgum.experiments.runs.config_file import read_config
from deepgum.experiments.runs.run import run
from deepgum.models.vgg import VGG16

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCS = EXAMPLES.parent / "docs"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.toml"))
SHORT = ["training.epochs_max=1", "training.patience=1"]
# So few samples and epochs tell a mixture nothing, and it says so.
pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")


def images(folder, names, size=40):
    generator = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (size, size, 3), dtype=np.uint8)).save(path)


def write_table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_there_is_an_example_for_each_kind_of_user():
    assert {"digits.toml", "ages.toml", "features.toml", "utkface_vgg16.toml", "faces.toml"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_parses_and_names_its_own_command(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    config = read_config(EXAMPLES / name)
    assert config.data.name != "table" or config.data.options["targets"]
    head = text.partition("seed")[0]
    assert all(line.startswith("#") for line in head.strip().splitlines())
    commands = re.findall(r"deepgum fit (\S+) --out (\S+)((?: --set \S+)*)", head)
    assert commands
    for file, _, changes in commands:
        assert file == f"examples/{name}"
        read_config(EXAMPLES / name, re.findall(r"--set (\S+)", changes))


def test_digits_trains_by_the_command_and_leaves_what_the_documentation_names(tmp_path):
    sizes = ["data.train_size=40", "data.validation_size=20", "data.image_size=16", "data.test_size=10"]
    changes = [part for change in [*sizes, *SHORT] for part in ("--set", change)]
    command = ["fit", str(EXAMPLES / "digits.toml"), "--out", str(tmp_path / "run"), "--threads", "1", *changes]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "training labels flagged" in result.output
    section = (DOCS / "configuration.md").read_text(encoding="utf-8").partition("## The files of a run\n")[2]
    named = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`[^|]+)", section, flags=re.MULTILINE)))
    pictures = {name for name in named if "." not in name}
    files = {name for name in named if not name.startswith(".")} - pictures
    left = {path.name for path in (tmp_path / "run").iterdir()}
    # How far a run has come is kept until it is done.
    files.discard("checkpoint.safetensors")
    # What is doubted is drawn where anything is.
    assert {name for name in left if not name.endswith((".png", ".svg"))} == files
    assert {Path(name).stem for name in left if name.endswith((".png", ".svg"))} | {"suspects"} == pictures


def train(name, tmp_path, changes):
    places = [f"data.cache_dir={tmp_path / 'cache'}"]
    return run(read_config(EXAMPLES / name, [*places, *changes]), tmp_path / "run").metrics()


def test_ages_trains_on_a_table_with_missing_images_and_labels(tmp_path):
    generator = np.random.default_rng(1)
    rows = [[f"photos/{i}.jpg", "" if i == 3 else int(generator.integers(1, 90)), f"p{i % 12}"] for i in range(36)]
    images(tmp_path, [row[0] for row in rows[1:]])
    (tmp_path / rows[5][0]).write_bytes(b"no image")
    write_table(tmp_path / "ages.csv", [["file", "age", "person"], *rows])
    with pytest.warns(Warning, match=r"1 of the 36 images|1 of 35 images"):
        metrics = train("ages.toml", tmp_path, [f"data.folder={tmp_path / 'ages.csv'}", "data.image_size=16", *SHORT])
    assert metrics.train_size + metrics.validation_size + metrics.test_size == 34
    assert list(metrics.each) == ["age"]


def test_features_trains_on_numbers_with_its_own_split(tmp_path):
    generator = np.random.default_rng(2)
    rows = [[int(r), 25 * int(r), 400 * int(r), "train"] for r in generator.integers(1, 6, 40)]
    for i in range(10):
        rows[i][3] = "val" if i < 5 else "test"
    write_table(tmp_path / "flats.csv", [["rooms", "area", "rent", "split"], *rows])
    metrics = train("features.toml", tmp_path, [f"data.folder={tmp_path / 'flats.csv'}", *SHORT])
    assert (metrics.train_size, metrics.validation_size, metrics.test_size) == (30, 5, 5)


def test_utkface_trains_the_top_of_a_frozen_vgg16(tmp_path):
    images(tmp_path / "faces", [f"{20 + i}_0_0_{i}.jpg" for i in range(20)], size=32)
    first = VGG16(n_outputs=1, image_size=32, fc_width=4).state_dict()["features.0.weight"]
    save_file({"features.0.weight": torch.zeros_like(first)}, tmp_path / "vgg16.safetensors")
    changes = [f"data.folder={tmp_path / 'faces'}", f"model.weights={tmp_path / 'vgg16.safetensors'}"]
    changes += [
        "data.image_size=32",
        "model.fc_width=4",
        "training.batch_size=8",
        "method.schedule.rounds_max=1",
        *SHORT,
    ]
    metrics = train("utkface_vgg16.toml", tmp_path, changes)
    assert (metrics.train_size, metrics.validation_size, metrics.test_size) == (14, 2, 4)
    # Twice the training images and once the others, 512 x 2 x 2 values of two bytes: docs/reproduce.md.
    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").glob("trunk-*.bin"))
    assert on_disk == (2 * 14 + 2 + 4) * 512 * (32 // 16) ** 2 * 2


def test_faces_trains_without_the_images_that_are_missing(tmp_path):
    box, points = "2 38 2 38", "12 14 28 14 20 22 14 30 26 30"
    train_names = [f"lfw_5590/{i}.jpg" for i in range(24)]
    test_names = [f"net_7876/{i}.jpg" for i in range(4)]
    images(tmp_path, [*train_names[1:], *test_names])
    for list_name, names in (("trainImageList.txt", train_names), ("testImageList.txt", test_names)):
        lines = "\n".join(f"{name} {box} {points}".replace("/", "\\") for name in names)
        (tmp_path / list_name).write_text(lines, encoding="utf-8")
    sizes = ["data.train_size=18", "data.validation_size=5", "data.image_size=16", "training.precision=float32"]
    with pytest.warns(Warning, match="1 of the 24 images"):
        metrics = train("faces.toml", tmp_path, [f"data.folder={tmp_path}", *sizes, *SHORT])
    assert (metrics.train_size, metrics.validation_size, metrics.test_size) == (18, 5, 4)
    assert metrics.failure_rate is not None
