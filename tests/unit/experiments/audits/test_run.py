"""An audit from its configuration to its folder, on a small table, and what its corrections gain."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from deepgum.audit.calibration import Calibration
from deepgum.audit.corrections.gain import Difference, Gain
from deepgum.audit.corrections.patch import Change, Patch
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.out_of_fold.learners import NetworkLearner
from deepgum.cli import main
from deepgum.cli.common import list_files
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, OutputFolderError, UnknownNameError
from deepgum.experiments.audits import gain as gains
from deepgum.experiments.audits.config import config_of, read_audit, read_recorded
from deepgum.experiments.audits.gain import gain_of
from deepgum.experiments.audits.run import run_audit
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.report.terminal.console import Terminal
from deepgum.report.terminal.gain import gain_table

N = 120
CHANGES = {"audit.folds": 2, "audit.rounds": 2, "training.epochs_max": 2, "training.batch_size": 16}


def is_test(row):
    return row // 3 % 5 == 0


@pytest.fixture(autouse=True)
def no_bootstrap(monkeypatch):
    """Leave out the intervals of shares, which take most of the time."""
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))


@pytest.fixture
def table(tmp_path):
    """Flats whose rent is their area; every fifth person's are of the test part, every tenth rent is wrong."""
    rng = np.random.default_rng(0)
    lines = ["id,part,who,area,floor,rent"]
    for row in range(N):
        area, floor = rng.normal(size=2).round(4)
        rent = round(area + 0.1 * rng.normal() + (30 if row % 10 == 3 else 0), 4)
        lines.append(f"r{row},{'test' if is_test(row) else 'train'},p{row // 3},{area},{floor},{rent}")
    path = tmp_path / "flats.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def config(table, part=True, **changes):
    columns = {"features": ("area", "floor"), "targets": ("rent",), "id": "id", "keep_together": "who"}
    columns |= {"part": "part"} if part else {}
    return config_of(table, CHANGES | {"audit.inliers": "gaussian"} | changes, columns)


@pytest.fixture
def fits(monkeypatch):
    """Count the networks that are trained, and stop before one where it is told to."""
    predict, counted = NetworkLearner.predict, {"fits": 0, "stop": None}

    def count(self, train, told, seed):
        if counted["fits"] == counted["stop"]:
            raise KeyboardInterrupt
        counted["fits"] += 1
        return predict(self, train, told, seed)

    monkeypatch.setattr(NetworkLearner, "predict", count)
    return counted


def names(folder):
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def test_an_audit_writes_what_it_found_and_is_not_made_twice(table, tmp_path, fits):
    wanted, out = config(table), tmp_path / "run"
    folder = run_audit(wanted, out)
    assert names(out) == ["audit.toml", "content.parquet", "features.parquet", "scores.parquet", "summary.json"]
    assert read_recorded(folder.config_file) == wanted == read_audit(out / "audit.toml")
    labels, summary = folder.labels(), folder.summary()
    assert labels.ids == tuple(f"r{row}" for row in range(N) if not is_test(row))
    assert summary.fits == fits["fits"] == sum(each.fits for each in summary.history)
    assert (summary.samples, summary.folds, summary.backbone) == (96, 2, "mlp")
    features = folder.features()
    assert features.names == ("area", "floor")
    assert set(features.ids) == {labels.ids[row] for row in labels.flags.any(axis=1).nonzero()[0]}
    read = {row["id"]: row for row in csv.DictReader(table.read_text().splitlines())}
    for name, columns, values in zip(features.ids, features.columns, features.values, strict=True):
        assert [read[name][features.names[column]].strip() for column in columns] == list(values)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run_audit(wanted, out)
    assert fits["fits"] == summary.fits
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_the_folder_of_another_audit_and_of_anything_else_is_refused(table, tmp_path, fits):
    out = tmp_path / "run"
    run_audit(config(table), out)
    done = fits["fits"]
    with pytest.raises(OutputFolderError, match=r"It holds another audit: seed = 0 there and 1 here\."):
        run_audit(config(table, seed=1), out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputFolderError, match=r"new, empty, or of this audit. It holds thesis\.txt"):
        run_audit(config(table), other)
    assert fits["fits"] == done
    assert names(other) == ["thesis.txt"]


@pytest.mark.parametrize("stop", [1, 3])
def test_an_audit_that_was_stopped_goes_on_and_ends_with_the_same_scores(table, tmp_path, fits, stop):
    whole = run_audit(config(table), tmp_path / "whole")
    needed = fits["fits"]
    assert needed == 4
    fits.update(fits=0, stop=stop)
    with pytest.raises(KeyboardInterrupt):
        run_audit(config(table), tmp_path / "run")
    assert not (tmp_path / "run" / "summary.json").exists()
    assert len(list((tmp_path / "run" / "fits").glob("*.fit"))) == stop
    fits["stop"] = None
    again = run_audit(config(table), tmp_path / "run")
    assert fits["fits"] == needed
    assert again.scores_file.read_bytes() == whole.scores_file.read_bytes()
    assert names(again.path) == names(whole.path)


def test_nothing_is_written_where_the_data_or_the_network_cannot_be_used(table, tmp_path, fits):
    out = tmp_path / "run"
    for changes, error in (
        ({"model.name": "nothing"}, InvalidParameterError),
        ({"model.weights": str(tmp_path / "none.safetensors")}, InvalidParameterError),
    ):
        with pytest.raises(error):
            run_audit(config(table, **changes), out)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(f"{line.rpartition(',')[0]},5" for line in lines[1:])]) + "\n")
    with pytest.raises(InvalidDataError, match="constant targets"):
        run_audit(config(table), out)
    assert fits["fits"] == 0
    assert not out.exists() or names(out) == []


def test_labels_made_wrong_on_purpose_leave_a_calibration(table, tmp_path):
    folder = run_audit(config(table, **{"corruption.rate": 0.2}), tmp_path / "run")
    assert isinstance(Calibration.read(folder.calibration_file), Calibration)


def patch_of(table, *changes, groups=None):
    return Patch("table", {}, ("rent",), groups or {"rent": (0,)}, changes=changes)


def rent(table, row):
    return float(table.read_text().splitlines()[row + 1].rpartition(",")[2])


def fix(table, row):
    old = rent(table, row)
    return Change(f"r{row}", "rent", (old,), (old - 30,), "fix")


@pytest.fixture
def audit(table, tmp_path):
    """The folder of an audit, with no training: a gain reads its configuration only."""

    def make(**options):
        folder = AuditFolder(tmp_path / "run")
        folder.path.mkdir(exist_ok=True)
        config(table, **options).write(folder.path / "audit.toml")
        return folder

    return make


@pytest.fixture
def trained(monkeypatch):
    """Keep what networks are trained and validated on, for a gain."""
    calls, original = [], gains.train_method

    def keep(method, train, validation, **options):
        calls.append((method, train, validation, options["seed"]))
        return original(method, train, validation, **options)

    monkeypatch.setattr(gains, "train_method", keep)
    return calls


def test_a_gain_is_tested_on_the_data_sets_own_test_part_which_is_never_trained_on(table, audit, trained):
    dropped = Change("r23", "rent", (rent(table, 23),), None, "drop")
    found = gain_of(audit(), patch_of(table, fix(table, 3), fix(table, 13), dropped), seeds=2)
    assert (found.official, found.test, found.train) == (True, N // 5, N - N // 5)
    assert (found.fixed, found.dropped, found.seeds, found.method) == (2, 1, (0, 1), "l2")
    assert [(method, seed) for method, _, _, seed in trained] == [("l2", 0), ("l2", 0), ("l2", 1), ("l2", 1)]
    test = {f"r{row}" for row in range(N) if is_test(row)}
    for before, after in ((trained[0], trained[1]), (trained[2], trained[3])):
        for part in (1, 2):
            ids = before[part].ids
            assert not test & set(ids)
            # The same samples, before and after, but for what was dropped.
            assert after[part].ids == tuple(name for name in ids if name != "r23")
            changed = dict(zip(ids, before[part].targets[:, 0].tolist(), strict=True))
            for name, label in zip(after[part].ids, after[part].targets[:, 0].tolist(), strict=True):
                lower = 30 if name in ("r3", "r13") else 0
                assert label == pytest.approx(changed[name] - lower, abs=1e-4)
    assert found.failures is None
    assert [each.name for each in found.errors] == ["", "rent"]
    assert found.errors[0].samples == N // 5


def test_without_a_test_part_whole_clusters_that_the_patch_does_not_touch_are_held_out(table, audit, trained):
    found = gain_of(audit(part=False), patch_of(table, fix(table, 3), fix(table, 13)), seeds=1)
    seen = {name for _, train, validation, _ in trained for name in (*train.ids, *validation.ids)}
    held = {f"r{row}" for row in range(N)} - seen
    assert not found.official
    assert len(held) == found.test == 24
    people = [{int(name[1:]) // 3 for name in names} for names in (held, seen)]
    assert not people[0] & people[1]
    assert not people[0] & {1, 4}  # of r3 and r13


def test_of_the_test_part_what_the_patch_changes_is_not_tested_on_and_none_is_trained_on(table, audit, trained):
    found = gain_of(audit(**{"audit.part": "all"}), patch_of(table, fix(table, 3), fix(table, 15)), seeds=1)
    assert (found.test, found.train) == (N // 5 - 1, N - N // 5)
    seen = {int(name[1:]) for _, train, validation, _ in trained for name in (*train.ids, *validation.ids)}
    assert not any(map(is_test, seen))


def test_errors_go_the_short_way_round():
    test = RegressionData.from_arrays(np.zeros((2, 1), np.float32), np.array([[359.0, 5.0], [2.0, np.nan]]))
    predicted = np.array([[3.0, 6.0], [357.0, 6.0]], dtype=np.float32)
    np.testing.assert_allclose(gains._errors(predicted, test, False, (360.0, 0.0)), [[4.0, 1.0], [5.0, np.nan]])


def test_a_patch_that_does_not_fit_or_changes_nothing_is_refused_before_any_training(table, audit, trained):
    folder = audit()
    with pytest.raises(InvalidDataError, match="is for another data set"):
        gain_of(
            folder, Patch("table", {}, ("age",), {"age": (0,)}, changes=(Change("r3", "age", (1.0,), (2.0,), "fix"),))
        )
    with pytest.raises(InvalidDataError, match="is for another data set"):
        gain_of(folder, patch_of(table, Change("x3", "rent", (1.0,), (2.0,), "fix")))
    with pytest.raises(InvalidDataError, match="r3"):
        gain_of(folder, patch_of(table, Change("r3", "rent", (rent(table, 3) + 1,), (2.0,), "fix")))
    keep = Change("r3", "rent", (rent(table, 3),), None, "keep")
    for changes in ((), (keep,)):
        with pytest.raises(InvalidDataError, match="cannot change the error"):
            gain_of(folder, patch_of(table, *changes))
    with pytest.raises(UnknownNameError, match="`method`"):
        gain_of(folder, patch_of(table, fix(table, 3)), method="l3")
    with pytest.raises(InvalidParameterError, match="`seeds`"):
        gain_of(folder, patch_of(table, fix(table, 3)), seeds=0)
    everyone = [fix(table, row) for row in range(0, N, 3)]
    with pytest.raises(InvalidDataError, match="at least 10 test samples that the patch does not change"):
        gain_of(audit(part=False), patch_of(table, *everyone))
    assert trained == []


def test_an_own_test_part_that_the_patch_changes_all_over_is_refused(table, audit, trained):
    everything = [fix(table, row) for row in range(N) if is_test(row)]
    with pytest.raises(InvalidDataError, match="at least 10 test samples that the patch does not change"):
        gain_of(audit(**{"audit.part": "all"}), patch_of(table, *everything))
    assert trained == []


def test_labels_that_come_round_are_compared_the_short_way_round(tmp_path, trained):
    rng = np.random.default_rng(0)
    path, yaws = tmp_path / "heads.csv", []
    lines = ["id,part,a,yaw"]
    for row in range(N):
        a = rng.normal()
        yaws.append(round(float(np.mod(3 * a, 360)), 4))
        lines.append(f"r{row},{'test' if row % 4 == 0 else 'train'},{a:.5f},{yaws[-1]}")
    path.write_text("\n".join(lines) + "\n")
    columns = {"features": ("a",), "targets": ("yaw",), "id": "id", "part": "part"}
    folder = AuditFolder(tmp_path / "run")
    folder.path.mkdir()
    config_of(path, CHANGES | {"audit.periods": {"yaw": 360}}, columns).write(folder.path / "audit.toml")
    change = Change("r1", "yaw", (yaws[1],), (float(np.mod(yaws[1] + 1, 360)),), "fix")
    found = gain_of(folder, Patch("table", {}, ("yaw",), {"yaw": (0,)}, changes=(change,)), seeds=1)
    assert found.errors[0].before < 20  # all are within some degrees of 0; untold, half of them are near 360
    for _, train, _, _ in trained:
        assert float(train.targets.max() - train.targets.min()) < 40


def test_samples_that_are_held_out_have_the_labels_of_the_files(table, audit, monkeypatch):
    tested, original = [], gains._errors
    monkeypatch.setattr(gains, "_errors", lambda made, test, *more: tested.append(test) or original(made, test, *more))
    folder = audit(part=False, **{"corruption.rate": 0.9})
    data = gains.load_audit_data(read_recorded(folder.config_file))
    row = data.pool.data.ids.index("r3")
    change = Change("r3", "rent", (float(data.given[row, 0]),), (0.0,), "fix")
    gain_of(folder, patch_of(table, change), seeds=1)
    expected = [rent(table, int(name[1:])) for name in tested[0].ids]
    np.testing.assert_allclose(tested[0].targets[:, 0], expected, rtol=1e-5)


def deepgum(*arguments):
    result = CliRunner(env={"COLUMNS": "160"}).invoke(main, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(*arguments):
    result = deepgum(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


OPTIONS = ("--features", "area,floor", "--targets", "rent", "--id", "id", "--keep-together", "who")


def test_the_options_of_the_command_reach_the_audit_and_its_report_is_written(table, tmp_path):
    options = "--folds 2 --rounds 1 --epochs 1 --learning-rate 0.01 --inliers gaussian --unit euros --seed 3 --part all"
    more = "--noise uniform --rate 0.1 --groups sample --period rent=360 --threads 1"
    done = deepgum("audit", table, *OPTIONS, *options.split(), *more.split(), "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    read = read_audit(tmp_path / "run" / "audit.toml")
    assert (read.audit.folds, read.audit.rounds, read.audit.inliers, read.audit.unit) == (2, 1, "gaussian", "euros")
    assert (read.audit.part, read.audit.periods, read.run.seed) == ("all", {"rent": 360.0}, 3)
    assert (read.run.training.epochs_max, read.run.training.learning_rate) == (1, 0.01)
    assert (read.run.corruption.noise, read.run.corruption.rate, read.run.groups) == ("uniform", 0.1, "sample")
    assert read.run.data.options["features"] == ["area", "floor"]
    assert read.run.data.options["keep_together"] == "who"
    assert (tmp_path / "run" / "report.html").is_file()
    assert f"Written: {tmp_path / 'run' / 'scores.parquet'}" in done.output
    assert f"deepgum review {tmp_path / 'run'}" in done.output


def test_a_first_look_is_named_in_its_summary_its_report_and_on_the_terminal(table, tmp_path):
    done = deepgum("audit", table, *OPTIONS, "--quick", "--epochs", 2, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    name = "first look (--quick): 1 round of 2 networks, each trained for 2 epochs"
    summary = AuditFolder(tmp_path / "run").summary()
    assert summary.fits == 2
    assert [name in notice for notice in summary.notices] == [True]
    assert name in (tmp_path / "run" / "report.html").read_text()
    assert name in " ".join(done.output.split())


def test_what_cannot_be_audited_is_said_in_one_message(table, tmp_path):
    run = ("--out", tmp_path / "run")
    assert "There is no such" in refused("audit", tmp_path / "none.csv", *run)
    assert "--dataset" in refused("audit", tmp_path, *run)
    assert "at most 3" in refused("audit", table, *OPTIONS, "--rounds", 4, *run)
    assert "NAME=NUMBER" in refused("audit", table, *OPTIONS, "--period", "rent", *run)
    assert "`--period`" in refused("audit", table, *OPTIONS, "--period", "yaw=360", *run)
    assert "--out" in refused("audit", table, *OPTIONS)
    assert "--group is called --keep-together" in refused("audit", table, *OPTIONS[:-2], "--group", "who", *run)
    assert not (tmp_path / "run" / "audit.toml").exists()


def test_the_gain_command_shows_and_writes_what_was_gained(table, audit, tmp_path):
    folder, patch = audit(), tmp_path / "fixes.patch.jsonl"
    write_patch(patch_of(table, fix(table, 3)), patch)
    done = deepgum("gain", folder.path, patch, "--seeds", 1, "--threads", 1)
    assert done.exit_code == 0, done.output
    written = json.loads((folder.path / "gain.json").read_text())
    assert (written["test"], written["fixed"], written["official"]) == (24, 1, True)
    assert "1 training before and after: 96 samples to train on, 1 labels replaced, 0 dropped" in done.output
    assert "24 test samples of the official test part" in done.output
    assert "must" not in refused("gain", folder.path, tmp_path / "none.jsonl")
    assert ".json" in refused("gain", folder.path, patch, "--out", tmp_path / "gain.txt")
    assert "`--method`" in refused("gain", folder.path, patch, "--method", "l3")
    assert "audit.toml" in refused("gain", tmp_path / "elsewhere", patch)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "audit",
            (
                "You need neither an outlier rate nor a threshold",
                "report.html",
                "audit faces.csv --image file",
                "[default: 5]",
            ),
        ),
        ("gain", ("fifth", "deepgum gain runs/faces fixes.patch.jsonl", "[default: l2]")),
    ],
)
def test_help_teaches(command, words):
    output = deepgum(command, "--help").output
    for word in words:
        assert word in " ".join(output.split())


def test_the_table_of_a_gain_says_in_percent_what_failed_and_who_was_tested():
    whole = Difference("", 0.5, 0.25, 0.25, 0.125, 0.375, 0.01, 50)
    failures = Difference("failures", 0.4, 0.3, 0.1, 0.05, 0.15, 0.2, 50)
    nose = Difference("[nose]", 0.5, 0.25, 0.25, 0.125, 0.375, 0.0001, 50)
    gain = Gain("l2", (0,), 1400, 50, 20, 1, "of the normaliser", (whole, nose), failures, False)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(gain_table(gain))
    text = console.export_text()
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["all"][1:5] == ["0.5", "0.25", "0.25", "(0.12"]
    assert rows["[nose]"][-2:] == ["<0.001", "***"]
    assert "failures, %" in text
    assert "40" in rows["failures,"]
    assert "30" in rows["failures,"]
    assert "1 training before" in text
    assert "held out from samples without changes" in text
    assert "The corrections help: the share of failures" in text


def test_zero_is_not_nothing(table, tmp_path):
    run = ("--out", tmp_path / "run")
    for option, parameter in (("--folds", "audit.folds"), ("--rounds", "audit.rounds"), ("--epochs", "epochs_max")):
        assert parameter in refused("audit", table, *OPTIONS, option, 0, *run)
    assert "names" in refused("audit", table, "--features", "area,", "--targets", "rent", *run)
    config(table, **{"corruption.rate": 0.2}).write(tmp_path / "audit.toml")
    text = (tmp_path / "audit.toml").read_text().replace("seed = 0", "seed = 7", 1)
    (tmp_path / "audit.toml").write_text(text)
    done = deepgum("audit", tmp_path / "audit.toml", "--seed", 0, "--rate", 0, "--rounds", 1, *run)
    assert done.exit_code == 0, done.output
    read = read_audit(tmp_path / "run" / "audit.toml")
    assert (read.run.seed, read.run.corruption.rate) == (0, 0.0)


def test_what_a_kill_left_among_the_fits_is_in_nobodys_way(table, tmp_path, fits):
    fits["stop"] = 1
    with pytest.raises(KeyboardInterrupt):
        run_audit(config(table), tmp_path / "run")
    (tmp_path / "run" / "fits" / ".0-abc.npy.17.partial").write_bytes(b"half")
    fits["stop"] = None
    folder = run_audit(config(table), tmp_path / "run")
    assert not (folder.path / "fits").exists()
    left = folder.path / ".report.html.17-0123abcd.partial"
    left.mkdir()
    run_audit(config(table), tmp_path / "run")  # it is finished
    assert not left.exists()


def test_a_gain_of_an_audit_of_the_test_part_has_nothing_to_train_on(table, audit, trained):
    row = next(row for row in range(N) if is_test(row))
    with pytest.raises(InvalidDataError, match="samples to train on, besides the test samples"):
        gain_of(audit(**{"audit.part": "test"}), patch_of(table, fix(table, row)))
    assert trained == []


def test_names_with_brackets_are_no_markup():
    gain = Gain("l2", (0,), 9, 9, 1, 0, "[/deg]", (Difference("[b]", 2.0, 1.0, 1.0, 0.5, 1.5, 0.01, 9),), None, True)
    terminal = Terminal(width=120, file=io.StringIO())
    terminal.print(gain_table(gain))
    list_files(terminal, [Path("runs/[old]/b[/x].json")])
    written = terminal.file.getvalue()
    assert all(words in written for words in ("[/deg]", "[b]", "runs/[old]/b[/x].json"))
