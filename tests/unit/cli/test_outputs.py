"""No command replaces an input or a file of a run, whatever the path of its output is."""

import os
import shutil

import pytest
from click.testing import CliRunner

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import export_decisions
from deepgum.cli import main

PREDICTIONS = "id,age,pred_age\n" + "".join(f"{row},{20 + row},{21 + row}\n" for row in range(40))


def link(source, target):
    target.symlink_to(source)


SPELLINGS = {
    "itself": lambda file: file,
    "another spelling": lambda file: file.parent / "no-such-folder" / ".." / file.name,
    "symbolic link": lambda file: made(link, file),
    "hard link": lambda file: made(os.link, file),
}


def made(way, file):
    way(file, file.with_stem("alias"))
    return file.with_stem("alias")


@pytest.fixture
def home(audited, tmp_path):
    """A folder with inputs, the run of a training, a comparison, and an audit with a patch."""
    (tmp_path / "inputs.csv").write_text(PREDICTIONS)
    for folder, names in (
        ("run", ("config.toml", "environment.json", "metrics.json", "posteriors.parquet", "weights.safetensors")),
        ("comparison", ("config.json", "results.jsonl", "posteriors/one.parquet", "content/seed0.parquet")),
    ):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text("{}")
    decision = Decision(audited.labels().ids[0], "a", "keep")
    export_decisions(audited, [decision], tmp_path / "fixes.patch", "patch")
    shutil.copy(tmp_path / "fixes.patch", tmp_path / "fixes.json")
    return tmp_path


def refused(home, *arguments):
    """Run a command that has to refuse its output, and check that no file has changed."""
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    result = CliRunner(env={"COLUMNS": "300"}).invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 2, (result.output, result.exception)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    return result.output


@pytest.mark.fault(7)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("command", "lost"),
    [
        (("predict", "run", "inputs.csv", "--out"), "inputs.csv"),
        (("predict", "run", "inputs.csv", "--out"), "run/posteriors.parquet"),
        (("score", "inputs.csv", "--out"), "inputs.csv"),
        (("export", "run", "--overwrite", "--to"), "run/posteriors.parquet"),
        (("export", "run", "--overwrite", "--to"), "run/weights.safetensors"),
        (("gain", "audit", "fixes.json", "--out"), "fixes.json"),
        (("gain", "audit", "fixes.json", "--out"), "audit/summary.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_an_output_is_never_a_file_that_is_read(home, monkeypatch, command, lost, spelling):
    monkeypatch.chdir(home)
    output = refused(home, *command, SPELLINGS[spelling](home / lost))
    assert "should be another file than the inputs" in output
    assert f"{lost}', which would be lost" in output


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "inputs.csv", "--out", "run/posteriors.parquet"),
        ("score", "inputs.csv", "--out", "audit/scores.parquet"),
        ("score", "inputs.csv", "--out", "comparison/posteriors/one.parquet"),
        ("predict", "run", "inputs.csv", "--out", "comparison/posteriors/one.parquet"),
        ("predict", "run", "inputs.csv", "--out", "comparison/content/seed0.parquet"),
        ("score", "inputs.csv", "--out", "audit/content.parquet"),
        ("export", "run", "--overwrite", "--to", "audit/scores.parquet"),
        ("gain", "audit", "fixes.json", "--out", "comparison/config.json"),
        ("gain", "audit", "fixes.json", "--out", "run/metrics.json"),
        ("review", "audit", "--export", "coco=audit/summary.json"),
        ("review", "audit", "--export", "patch=audit/decisions.jsonl"),
        ("review", "audit", "--export", "coco=run/metrics.json"),
        ("report", "audit", "--out", "audit/scores.parquet"),
        ("report", "audit", "--out", "inputs.csv"),
        ("apply", "fixes.patch", "faces.csv", "--out", "faces.csv"),
        ("apply", "fixes.patch", "faces.csv", "--out", "inputs.csv"),
    ],
    ids=lambda value: f"{value[0]} {value[-1]}",
)
def test_an_output_is_never_a_file_of_a_run(home, monkeypatch, arguments):
    monkeypatch.chdir(home)
    assert "should be" in refused(home, *arguments)


@pytest.mark.fault(7)
def test_a_figure_is_never_an_input(home, monkeypatch):
    monkeypatch.chdir(home)
    record = (
        '{"method": "l2", "noise": "ngo", "rate": 0.2, "seed": 0, "failure_rate": 0.1, "nme": 0.1, "mae": 0.1, '
        '"precision": null, "recall": null, "average_precision": null, "epochs": 1, "seconds": 1.0, '
        '"train_size": 9, "image_size": 8}\n'
    )
    (home / "results.jsonl").write_text(record)
    os.link(home / "results.jsonl", home / "figure5.png")
    assert "another file than the inputs" in refused(home, "plot", "results.jsonl")


@pytest.mark.fault(7)
def test_a_file_that_a_run_has_not_written_yet_is_its_own_in_any_case(home, monkeypatch):
    monkeypatch.chdir(home)
    for name in ("predictions.parquet", "Predictions.parquet"):
        assert "another file than the inputs" in refused(home, "predict", "run", "inputs.csv", "--out", f"run/{name}")


def test_other_files_beside_a_run_are_replaced(home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "run" / "mine.csv").write_text("old")
    result = CliRunner().invoke(main, ["score", "inputs.csv", "--out", "run/mine.csv"])
    assert result.exit_code == 0, result.output
    assert (home / "run" / "mine.csv").read_text().startswith('"id"')


@pytest.mark.fault(14)
def test_a_command_sweeps_what_a_killed_one_left_beside_its_output(home, monkeypatch):
    monkeypatch.chdir(home)
    (home / ".scores.csv.17-0123abcd.partial").mkdir()
    (home / ".scores.csv.17-0123abcd.partial" / "scores.csv").write_text("half")
    result = CliRunner().invoke(main, ["score", "inputs.csv", "--out", "scores.csv"])
    assert result.exit_code == 0, result.output
    assert not [path for path in home.iterdir() if path.name.endswith(".partial")]


@pytest.mark.fault(7)
@pytest.mark.parametrize(("command", "name"), [("fit", "config.toml"), ("audit", "audit.toml")])
def test_a_configuration_of_the_user_is_not_replaced_by_the_recorded_one(tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text('# why I chose this\n[data]\nname = "digits"\n')
    output = refused(tmp_path, command, name, "--out", ".")
    assert "should be another folder than that of your file" in output


@pytest.mark.fault(7)
def test_a_data_folder_is_no_output_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "31_0.jpg").write_text("")
    for out in ("data", "data/../data"):
        assert "another folder than the data" in refused(
            tmp_path, "reproduce", "figure4", "--data", "data", "--out", out
        )
