import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deepgum.audit import ScoredLabels, score_table
from deepgum.cli import main


def deepgum(*arguments, width=200):
    runner = CliRunner(env={"COLUMNS": str(width)})
    result = runner.invoke(main, ["score", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def done(*arguments, **options):
    result = deepgum(*arguments, **options)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments):
    result = deepgum(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def ages(tmp_path):
    """Ages and predictions of them; every tenth age is far off, the first the farthest."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 60, size=300)
    age = truth + rng.normal(0, 1, 300)
    age[::10] += 25
    age[0] += 100
    frame = pd.DataFrame({"file": [f"[b]{row}.png" for row in range(300)], "age": age.round(2)})
    frame["pred_age"] = (truth + rng.normal(0, 1, 300)).round(2)
    path = tmp_path / "ages.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def poses(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-180, 180, size=(300, 2))
    given = np.mod(truth + rng.normal(0, 2, truth.shape) + 180, 360) - 180
    frame = pd.DataFrame(np.hstack([given, truth]), columns=["deg_yaw", "deg_roll", "net_yaw", "net_roll"])
    path = tmp_path / "poses.parquet"
    frame.to_parquet(path)
    return path


def test_the_summary_is_printed_and_nothing_written(ages):
    output = done(ages)
    assert "300 samples, 300 labels: age by pred_age" in output
    summary = score_table(ages).summary
    assert 30 <= summary.flags < 35
    assert summary.verdict.partition(";")[0] in output
    assert "deepgum score" in output
    assert "--out" in output
    assert [file.name for file in ages.parent.iterdir()] == ["ages.csv"]


def test_the_worst_come_first_and_names_are_shown_as_they_are(ages):
    output = done(ages, "--id", "file", "--unit", "years", width=300)
    worst = [line.split()[0] for line in output.splitlines() if line.strip().startswith("[")]
    assert len(worst) == 10
    assert worst[0] == "[b]0.png"
    assert set(worst) <= {f"[b]{row}.png" for row in range(0, 300, 10)}
    assert " off" in output


def test_a_narrow_terminal_loses_no_group_and_no_number(ages):
    output = done(ages, width=60)
    assert "age" in output
    assert "300" in output


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_the_scores_are_written_where_they_are_wanted(ages, name):
    out = ages.parent / "new" / name
    output = done(ages, "--id", "file", "--out", out)
    assert f"Written: {out} (300 rows)" in output
    assert "responsibility below 0.5" in output
    rows = pd.read_csv(out) if name.endswith("csv") else pq.read_table(out).to_pandas()
    assert list(rows["id"]) == [f"[b]{row}.png" for row in range(300)]
    flagged = rows["responsibility"] < 0.5
    assert flagged[::10].all()
    assert flagged.sum() < 35
    assert rows["suggested"].notna().equals(flagged)


def test_what_to_do_next_depends_on_what_can_be_told(ages):
    frame = pd.read_csv(ages)
    # Most predictions are the labels, as of a network that has memorised them.
    frame["pred_height"] = np.random.default_rng(0).uniform(150, 190, 300)
    frame["height"] = frame["pred_height"] + np.where(np.arange(300) % 3, 0, 5.0 * (np.arange(300) % 7))
    frame.to_csv(ages, index=False)
    out = ages.parent / "scores.csv"
    output = done(ages, "--out", out)
    assert "responsibility below 0.5" in output
    output = done(ages, "--target", "height", "--out", out)
    assert "responsibility below 0.5" not in output
    assert "The least probable labels" not in output


def test_groups_patterns_and_periods_reach_the_mixture(poses):
    out = poses.parent / "scores.parquet"
    options = ["--pred", "net_*", "--target", "deg_*", "--out", out]
    done(poses, *options)
    straight = ScoredLabels.read(out)
    assert straight.group_names == ("deg_yaw", "deg_roll")
    done(poses, *options, "--period", "deg_yaw=360", "--period", "deg_roll=360", "--groups", "sample")
    wrapped = ScoredLabels.read(out)
    assert wrapped.group_names == ("sample",)
    assert wrapped.periods == (360.0, 360.0)
    assert straight.residual_norms.max() > 180 > 20 > wrapped.residual_norms.max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--period", "age"], "`period` should be NAME=NUMBER, for example yaw=360"),
        (["--period", "age=x"], "`period` should be NAME=NUMBER"),
        (["--period", "yaw=360"], "`--period` should be one of 'age'"),
        (["--swap", "0-1"], "`swap` should be pairs of landmarks"),
        (["--swap", "0:1:2"], "`swap` should be pairs of landmarks"),
        (["--swap", "0:1"], "`--swap` should be left out if labels are not landmarks"),
        (["--groups", "landmark"], "an even number of coordinates"),
        (["--groups", "samples"], "'samples' is not one of"),
        (["--out", "scores.txt"], "a file that ends in .csv or .parquet"),
        (["--pred", "p_*"], "`--pred` should be columns of the table"),
        (["--id", "age"], "column 'age': a cell should be a name that no other row has"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(ages, options, message, monkeypatch):
    monkeypatch.chdir(ages.parent)
    if options[0] == "--id":
        frame = pd.read_csv(ages)
        frame.loc[5, "age"] = frame.loc[4, "age"]
        frame.assign(other=frame["age"], pred_other=frame["pred_age"]).to_csv(ages, index=False)
        options = [*options, "--target", "other"]
    assert message in " ".join(refused(ages, *options).split())
    assert [file.name for file in ages.parent.iterdir()] == ["ages.csv"]


def test_a_missing_table_is_named(tmp_path):
    assert "none.csv" in refused(tmp_path / "none.csv")


def test_help_teaches():
    output = done("--help")
    for word in ("pred_age", "--pred 'p_*' --target 't_*'", "responsibility", "Examples:\n    deepgum score "):
        assert word in output


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom deepgum.cli import main\n"
        "assert CliRunner().invoke(main, ['score', '--help']).exit_code == 0\n"
        "print([name for name in ('torch', 'numpy', 'pyarrow', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


@pytest.mark.fault(20)
def test_ids_like_formulas_survive_the_file_and_are_named(ages):
    frame = pd.read_csv(ages).assign(id=lambda rows: [f"=HYPERLINK({row})" for row in range(len(rows))])
    frame.to_csv(ages, index=False)
    output = done(ages, "--out", ages.with_name("scores.csv"), width=400)
    assert "has 300 cells that a spreadsheet program may run as a formula" in output
    assert "row 1, column 'id': '=HYPERLINK(0)'" in output
    assert pd.read_csv(ages.with_name("scores.csv"))["id"].tolist() == frame["id"].tolist()


@pytest.mark.fault(20)
def test_escape_sequences_in_ids_do_not_reach_the_terminal(ages):
    frame = pd.read_csv(ages).assign(id=lambda rows: [f"\x1b[2J{row}\u202e" for row in range(len(rows))])
    frame.to_csv(ages, index=False)
    output = done(ages)
    assert "\\x1b[2J0\\u202e" in output
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_runs_are_listed_worst_first(ages):
    frame = pd.read_csv(ages)
    frame["age"] = frame["pred_age"] + np.random.default_rng(1).normal(0, 1, 300)
    frame["batch"] = [f"[b]batch {row // 20}" for row in range(300)]
    frame.loc[20:39, "age"] += 40 * np.random.default_rng(2).normal(size=20)
    frame.to_csv(ages, index=False)
    output = done(ages, "--runs", "batch")
    assert "[b]batch 1" in output
    assert "No label of the 14 other runs is flagged." in output
    assert "far from the prediction" in output
    assert "should be a column of the table" in refused(ages, "--runs", "sensor")
