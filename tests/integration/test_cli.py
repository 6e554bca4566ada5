import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import deepgum
from deepgum.cli import main
from deepgum.data.corruption import NOISES
from deepgum.data.sets.registry import DATASETS
from deepgum.training import METHODS
from deepgum.training.sgd_options import OPTIMIZERS, PRECISIONS, SCHEDULES

pytestmark = pytest.mark.usefixtures("gaussian_file")

TINY = ["compare", "--dataset", "digits", "--image-size", 16, "--train-size", 24, "--validation-size", 12]
TINY += ["--epochs-max", 1, "--patience", 1, "--threads", 1]
FACES = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "lfw_net"
# What the issue that asked for the command names, and what came on top.
OPTIONS = {"dataset", "data", "noise", "rate", "methods", "seed", "train-size", "image-size", "epochs-max", "device"}
OPTIONS |= {"out", "skip-missing", "groups", "optimizer", "learning-rate", "schedule", "batch-size", "patience"}
OPTIONS |= {"precision", "threads", "cache-dir", "model", "validation-size"}


def deepgum_command(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("command", [[], ["demo"], ["compare"], ["plot"]])
def test_help_loads_nothing_heavy(command):
    code = f"""
import sys
from click.testing import CliRunner
from deepgum.cli import main
assert CliRunner().invoke(main, {[*command, "--help"]!r}).exit_code == 0
print([name for name in ("torch", "numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "rich") if name in sys.modules])
"""
    assert python(code) == "[]"


def test_plot_does_not_load_torch(tmp_path):
    code = f"""
import sys
from click.testing import CliRunner
from deepgum.cli import main
CliRunner().invoke(main, ["plot", {str(tmp_path)!r}])
print("torch" in sys.modules)
"""
    assert python(code) == "False"


def test_the_package_loads_its_names_when_they_are_used():
    assert python("import sys, deepgum; dir(deepgum); print('torch' in sys.modules)") == "False"
    for name in deepgum.__all__:
        assert getattr(deepgum, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        deepgum.nothing  # noqa: B018


def test_help_teaches():
    text = deepgum_command("--help").output
    assert "deepgum demo" in text
    for command in ("demo", "compare", "plot"):
        assert "Examples:\n    deepgum " in deepgum_command(command, "--help").output


def test_help_of_compare_names_every_option_method_noise_and_choice():
    text = deepgum_command("compare", "--help").output
    assert not OPTIONS - set(re.findall(r"^  (?:-h, )?--([a-z-]+)", text, flags=re.MULTILINE))
    words = set(re.findall(r"[a-z0-9][a-z0-9-]*", text))
    assert not {*METHODS, *NOISES, *DATASETS, *OPTIMIZERS, *SCHEDULES, *PRECISIONS} - words


def test_version():
    assert deepgum_command("--version").output.split()[-1] == deepgum.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--noise", "l-ugoo"], "Did you mean 'l-ugo'?"),
        (["--methods", "l2,biwieght"], "Did you mean 'biweight'?"),
        (["--rate", "0.2,half"], "Parameter `--rate` should be numbers separated by commas."),
        (["--rate", "40"], "Parameter `--rate` should be a number in [0, 1]. Found `--rate = 40.0`."),
        (["--seed", "0.5"], "Parameter `--seed` should be whole numbers"),
        (["--schedule", "one_cycle"], "Did you mean 'one-cycle'?"),
        (["--dataset", "lfw"], "Parameter `--dataset` should be one of"),
        (["--dataset", "lfw-net"], "Parameter `--data` should be the folder"),
        (["--groups", "landmarks"], "Did you mean 'landmark'?"),
        (["--dataset", "lfw-net", "--data", "nowhere"], "Parameter `--data` should be a folder that holds"),
        (["--model", "facenett"], "Did you mean 'facenet'?"),
        (["--model", "torch.nnn:Linear"], "Parameter `--model` should be a factory that can be imported."),
        (["--device", "cudda"], "Parameter `--device` should be the name of a device that torch knows."),
        (["--device", "cuda:99"], "Parameter `--device` should be an available device."),
        (["--epochs-max", "0"], "Parameter `--epochs-max` should be a whole number of at least 1."),
    ],
)
def test_a_mistake_is_one_message_with_exit_code_2(tmp_path, arguments, message):
    result = deepgum_command(*TINY, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_compare_writes_what_it_promises_and_resumes(tmp_path):
    command = [*TINY, "--noise", "ngo,l-ugo", "--rate", "0,0.5", "--methods", "l2,deepgum,oracle", "--out", tmp_path]
    first = deepgum_command(*command)
    assert first.exit_code == 0
    assert "l-UGO, 1 seed: failure rate in %" in first.output
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    wrong = next(line for line in lines if line["method"] == "deepgum" and line["rate"] == 0.5)
    assert all(0 <= wrong[name] <= 1 for name in ("failure_rate", "average_precision"))
    assert all((tmp_path / line["posteriors"]).is_file() for line in lines)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    again = deepgum_command(*command)
    assert again.exit_code == 0
    assert "12 runs, 12 of them already finished." in again.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    grown = deepgum_command(*command[:-2], "--seed", "0,1", "--out", tmp_path)
    assert "24 runs, 12 of them already finished." in grown.output
    assert (tmp_path / "results.jsonl").read_bytes().startswith(before[tmp_path / "results.jsonl"])

    other = deepgum_command(*command[:-2], "--learning-rate", "0.01", "--out", tmp_path)
    assert other.exit_code == 2
    assert "learning_rate = 0.001 there and 0.01 here" in other.stderr

    drawn = deepgum_command("plot", tmp_path)
    assert drawn.exit_code == 0
    assert (tmp_path / "figure5.png").is_file()
    assert (tmp_path / "figure5.svg").is_file()

    for number, name in enumerate(("a.png", "b.SVG", "c.v2")):
        deepgum_command("plot", tmp_path, "--out", tmp_path / "drawn" / name)
        assert len(list((tmp_path / "drawn").iterdir())) == 2 * (number + 1)
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert names == {"a.png", "a.svg", "b.png", "b.svg", "c.v2.png", "c.v2.svg"}


def test_what_did_finish_is_shown_before_the_error(tmp_path):
    command = [*TINY, "--rate", "1", "--methods", "oracle,l2", "--out", tmp_path]
    for _ in range(2):
        result = deepgum_command(*command)
        assert result.exit_code == 2
        assert "l-UGO, 1 seed: failure rate in %" in result.output
        assert "1 of the 2 runs failed. oracle_l-ugo_1_seed0_" in result.stderr
        (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
        assert json.loads(line)["method"] == "l2"


def test_ctrl_c_in_the_demo_does_not_promise_to_go_on(tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("deepgum.experiments.paper.demo.run_demo", stopped)
    result = deepgum_command("demo", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "Stopped. A demo cannot be resumed" in result.stderr
    assert "continue" not in result.stderr


def test_the_same_seed_gives_the_same_results(tmp_path):
    for name in ("a", "b"):
        assert deepgum_command(*TINY, "--methods", "deepgum", "--out", tmp_path / name).exit_code == 0
    a, b = (json.loads((tmp_path / name / "results.jsonl").read_text()) for name in "ab")
    del a["seconds"], b["seconds"]
    assert a == b


@pytest.mark.skipif(not FACES.is_dir(), reason="DEEPGUM_DATA names no folder that holds lfw_net")
def test_compare_on_the_real_faces(tmp_path, crops_of_faces):
    command = [*TINY, "--dataset", "lfw-net", "--data", FACES, "--noise", "g-ugo", "--methods", "deepgum"]
    command += ["--image-size", 32, "--cache-dir", crops_of_faces, "--out", tmp_path / "out"]
    refused = deepgum_command(*command)
    assert refused.exit_code == 2
    assert "2452 of the 3466 images of 'testImageList.txt'" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = deepgum_command(*command, "--skip-missing")
    assert done.exit_code == 0
    assert "2452 of the 3466 images" in done.output
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["groups"] == "sample"


def test_plot_says_what_is_missing(tmp_path):
    result = deepgum_command("plot", tmp_path)
    assert result.exit_code == 2
    assert "should be a file of results. It does not exist" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.usefixtures("default_sigint")
def test_ctrl_c_leaves_valid_files_and_says_how_to_go_on(tmp_path):
    command = [*TINY, "--epochs-max", 100_000, "--patience", 100_000, "--methods", "l2", "--out", tmp_path]
    run = subprocess.Popen(
        [sys.executable, "-m", "deepgum", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "config.json").exists() and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    # 130, or the signal itself, which a shell shows as 130: CPython ends by it when the interrupt has passed
    # through the `exec` of a string, as in a module that is imported late, even if it was caught then.
    assert run.returncode in (130, -signal.SIGINT)
    assert "Run the same command again to continue" in errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "config.json").read_text())["dataset"] == "digits"
