"""A data set in a module of the working folder: trained on, evaluated, audited, corrected and written as a patch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.corrections.patch_of import patch_of
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.data.sets.registry import get_dataset
from deepgum.errors import InvalidParameterError
from deepgum.experiments.audits.config import config_of
from deepgum.experiments.audits.data import load_audit_data
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.runs.config import DataConfig, MethodConfig, ModelConfig, RunConfig
from deepgum.experiments.runs.config_file import read_config
from deepgum.experiments.runs.run import run
from deepgum.training import SGDOptions

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"
COUNT, MODEL, QUICK = 60, ModelConfig("facenet"), SGDOptions(epochs_max=1)


def blocks(kind: str) -> list[str]:
    text = DOCS.read_text(encoding="utf-8").split("## A data set of your own")[1]
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working folder holds `gauges/` and a module; Python imports a module once, so each test has its own."""
    name = f"sets_{re.sub(r'[^a-z0-9]', '_', tmp_path.name)}"
    (tmp_path / f"{name}.py").write_text("\n".join(blocks("python")))
    (tmp_path / "gauges").mkdir()
    angles = np.random.default_rng(0).uniform(-60, 60, COUNT).round(1)
    for index, angle in enumerate(angles.tolist()):
        image = Image.new("RGB", (24, 24), (230, 230, 220))
        tip = (12 + 10 * np.sin(np.radians(angle)), 20 - 16 * np.cos(np.radians(angle)))
        ImageDraw.Draw(image).line([(12, 20), tip], fill=(20, 20, 20), width=2)
        image.save(tmp_path / "gauges" / f"g{index:03d}.png")
    lines = [f"g{index:03d}.png {angle:g}" for index, angle in enumerate(angles.tolist())]
    (tmp_path / "gauges" / "angles.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))
    return name


def deepgum(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def done(*arguments: object) -> str:
    result = deepgum(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_the_shown_class_is_trained_on_by_the_command(module: str) -> None:
    (toml,) = blocks("toml")
    training = "[training]\nepochs_max = 1\n"
    Path("gauges.toml").write_text(toml.replace("my_sets", module) + training)
    text = done("fit", "gauges.toml", "--out", "runs/gauges", "--threads", 1)
    assert "on gauges, 12 test samples" in text
    metrics = json.loads(Path("runs/gauges/metrics.json").read_text())
    assert (metrics["dataset"], metrics["unit"], metrics["train_size"]) == ("gauges", "degrees", 42)
    assert read_config(Path("runs/gauges/config.toml")).data.name == f"{module}:Gauges"
    again = done("fit", "gauges.toml", "--out", "runs/gauges")
    assert "on gauges, 12 test samples" in again
    assert "gauges, 60 samples" in " ".join(done("evaluate", "runs/gauges", "--part", "all", "--trust").split())


def test_the_module_is_found_by_the_installed_command_too(module: str) -> None:
    # Python puts neither the working folder nor an empty path first when a script is started.
    code = "import sys; sys.path[:] = [p for p in sys.path if p]; from deepgum.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "compare",
        "--dataset",
        f"{module}:Gauges",
        "--data",
        "nowhere",
        "--out",
        "o",
    ]
    result = subprocess.run([*command, "--noise", "uniform"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "nowhere/angles.txt" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_shown_class_is_audited_and_corrected_by_the_command(module: str) -> None:
    path = Path("gauges/angles.txt")
    lines = path.read_text().splitlines()
    lines[7] = "g007.png 500"
    path.write_text("\n".join(lines) + "\n")
    name = f"{module}:LabelledGauges"
    options = ["--folds", 2, "--rounds", 1, "--epochs", 1, "--threads", 1]
    done("audit", "gauges", "--dataset", name, "--out", "audits/gauges", *options)
    folder = AuditFolder(Path("audits/gauges"), trust=True)
    labels = folder.labels()
    assert (labels.ids[7], labels.given[7].tolist()) == ("g007.png", [500])
    assert folder.summary().data.name == name
    decision = Decision("g007.png", labels.group_names[0], "fix", (12.5,))
    write_patch(patch_of(folder, [decision]), Path("fixes.patch.jsonl"))
    done("apply", "fixes.patch.jsonl", "gauges", "--out", "gauges-fixed", "--trust")
    lines[7] = "g007.png 12.5"
    assert Path("gauges-fixed/angles.txt").read_text().splitlines() == lines
    assert get_dataset(name).detect(Path("gauges-fixed"))


def test_the_shown_class_is_taken_as_an_object_in_python(module: str) -> None:
    kind: Any = type(get_dataset(f"{module}:Gauges"))
    for given in (kind, kind(), f"{module}:Gauges"):
        config = RunConfig(DataConfig(name=given, folder=Path("gauges")), MODEL, MethodConfig("l2"), training=QUICK)
        assert config.data.name == f"{module}:Gauges"
        assert (config.data.image_size, config.measure.unit, config.groups) == (32, "degrees", "sample")
        assert config.stem.startswith("gauges_l2_")
        assert RunConfig.from_mapping(config.to_mapping()) == config
        assert RunConfig.from_mapping({"data": {"name": given, "folder": "gauges"}}).data == config.data
        compared = CompareOptions(dataset=given, data=Path("gauges"), noises=("uniform",))
        assert compared.shared["dataset"] == f"{module}:Gauges"
    assert run(config, Path("runs/one")).metrics().dataset == "gauges"


def test_an_audit_needs_no_label_files(module: str) -> None:
    config = config_of(Path("gauges"), {"data.name": f"{module}:Gauges"}, {})
    data = load_audit_data(config)
    assert len(data.given) == COUNT
    np.testing.assert_array_equal(data.given, data.pool.data.targets)


@pytest.mark.parametrize("part", ["pool", "name"])
def test_a_class_without_a_part_is_refused_before_any_work(module: str, part: str) -> None:
    other = f"{module}_{part}"
    text = Path(f"{module}.py").read_text()
    Path(f"{other}.py").write_text(
        text.replace("def pool(", "def samples(") if part == "pool" else text.replace('name = "gauges"', "")
    )
    Path("gauges.toml").write_text(f'[data]\nname = "{other}:Gauges"\nfolder = "gauges"\n')
    for command in (("fit", "gauges.toml"), ("audit", "gauges", "--dataset", f"{other}:Gauges")):
        result = deepgum(*command, "--out", "runs/none")
        assert result.exit_code == 2
        assert f"Gauges lacks `{part}`" in result.stderr
        assert not Path("runs/none").exists()
    with pytest.raises(InvalidParameterError, match=rf"`data\.name` should be a complete Dataset.*lacks `{part}`"):
        read_config(Path("gauges.toml"))
