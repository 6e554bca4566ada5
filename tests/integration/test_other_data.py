"""A result that belongs to other data is never shown and never continued."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import save_file

from deepgum.audit.corrections.patch import Change, Patch
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.out_of_fold.learners import NetworkLearner
from deepgum.cli import main
from deepgum.data.content import Content
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.report.page.thumbnails import PictureViewer

N = 60
FIT = """
[data]
name = "utkface"
folder = "{folder}"
image_size = 16
[model]
name = "{factory}"
[training]
epochs_max = 1
batch_size = 16
"""
FACTORY = """
from torch import nn

def small(num_classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, num_classes))
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_pictures: None) -> None:
    """Leave out pictures and intervals of shares, use a cache of this test only, and work in the folder of the test."""
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "networks_of_faces.py").write_text(FACTORY)


def write_face(file: Path, brightness: int) -> None:
    """Write an image without compression, so that two images have the same size in bytes."""
    Image.new("RGB", (16, 16), (brightness, brightness, 255 - brightness)).save(file, format="BMP")


def make_faces(folder: Path, shift: int = 0) -> Path:
    """Write images whose file name is their age, with the same names for every shift of the pixels."""
    folder.mkdir()
    for age in range(N):
        write_face(folder / f"{age + 1}_0_0_{age}.jpg", 4 * age + shift)
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return make_faces(tmp_path / "faces")


@pytest.fixture
def others(tmp_path: Path, faces: Path) -> Path:
    """Return a folder with the same file names, sizes and times, and other pixels."""
    folder = make_faces(tmp_path / "others", shift=15)
    for file in faces.iterdir():
        times = file.stat()
        os.utime(folder / file.name, ns=(times.st_atime_ns, times.st_mtime_ns))
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def fit(faces: Path, out: Path) -> Result:
    config = out.parent / "faces.toml"
    config.write_text(FIT.format(folder=faces.as_posix(), factory="networks_of_faces:small"))
    return call("fit", config, "--out", out, "--threads", 1)


AUDIT = ("--folds", 2, "--rounds", 1, "--epochs", 1, "--inliers", "gaussian", "--threads", 1)


def audit(faces: Path, out: Path, *more: object) -> Result:
    network = ("--backbone", "networks_of_faces:small", "--image-size", 16)
    return call("audit", faces, *network, *AUDIT, *more, "--out", out)


def compare(faces: Path, out: Path, *more: object) -> Result:
    options = ("--dataset", "utkface", "--noise", "uniform", "--rate", 0.2, "--methods", "l2", "--epochs-max", 1)
    network = ("--model", "networks_of_faces:small", "--image-size", 16, "--threads", 1)
    return call("compare", "--data", faces, *options, *network, *more, "--out", out)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


COMMANDS = pytest.mark.parametrize("command", [fit, audit, compare])


@pytest.mark.fault(1)
@COMMANDS
def test_a_finished_folder_is_refused_for_other_data(
    command: Callable[[Path, Path], Result], faces: Path, others: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first = command(faces, out)
    assert first.exit_code == 0, first.output
    before = contents(out)
    result = command(others, out)
    assert result.exit_code == 2
    assert "It holds results of other data: other inputs: " in result.output
    assert f".jpg and {N - 5} more. Give another output folder. Nothing was written." in result.output
    assert contents(out) == before


@pytest.mark.fault(1)
@COMMANDS
def test_one_changed_image_is_named(command: Callable[[Path, Path], Result], faces: Path, tmp_path: Path) -> None:
    assert command(faces, tmp_path / "run").exit_code == 0
    write_face(faces / "5_0_0_4.jpg", 200)
    result = command(faces, tmp_path / "run")
    assert result.exit_code == 2
    assert "other inputs: 5_0_0_4.jpg. " in result.output


@COMMANDS
def test_the_same_data_at_another_place_are_the_same(
    command: Callable[[Path, Path], Result], faces: Path, tmp_path: Path
) -> None:
    assert command(faces, tmp_path / "run").exit_code == 0
    faces.rename(tmp_path / "moved")
    result = command(tmp_path / "moved", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "cannot be told" not in result.output


@pytest.mark.parametrize("command", [fit, audit])
def test_results_without_their_data_are_shown_with_a_warning(
    command: Callable[[Path, Path], Result], faces: Path, tmp_path: Path
) -> None:
    assert command(faces, tmp_path / "run").exit_code == 0
    (tmp_path / "run" / "content.parquet").unlink()  # as in a folder of version 0.1.0
    result = command(faces, tmp_path / "run")
    assert result.exit_code == 0
    assert "It cannot be told whether" in result.output
    shutil.copytree(faces, tmp_path / "copy")
    result = command(tmp_path / "copy", tmp_path / "run")
    assert result.exit_code == 2
    assert "cannot be told whether the samples in" in " ".join(result.output.split())


@pytest.mark.fault(1)
def test_a_table_whose_images_changed_is_other_data(faces: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "faces.csv", tmp_path / "run"
    table.write_text("file,age\n" + "".join(f"{file.name},{file.name.split('_')[0]}\n" for file in faces.iterdir()))
    config = tmp_path / "table.toml"
    options = f'{{ image = "file", targets = ["age"], root = "{faces.as_posix()}" }}'
    text = FIT.format(folder=table.as_posix(), factory="networks_of_faces:small").replace("utkface", "table")
    config.write_text(text.replace("image_size", f"options = {options}\nimage_size"))
    assert call("fit", config, "--out", out, "--threads", 1).exit_code == 0
    write_face(faces / "5_0_0_4.jpg", 200)
    result = call("fit", config, "--out", out, "--threads", 1)
    assert result.exit_code == 2
    assert "other inputs: 5_0_0_4.jpg. " in result.output


def write_flats(table: Path, house: int = 1, rent: float = 900.0) -> Path:
    """Write a table without images: houses of a few flats, and the rent of each flat."""
    rows = "".join(f"{row // house},{row % 7},{rent + 50 * (row % 7) + row}\n" for row in range(N))
    table.write_text("house,rooms,rent\n" + rows)
    return table


def audit_flats(table: Path, out: Path) -> Result:
    columns = ("--features", "rooms", "--targets", "rent", "--keep-together", "house")
    return call("audit", table, *columns, *AUDIT, "--out", out)


def test_an_audited_table_may_move(tmp_path: Path) -> None:
    table = write_flats(tmp_path / "flats.csv")
    assert audit_flats(table, tmp_path / "run").exit_code == 0
    (tmp_path / "moved").mkdir()
    table.rename(tmp_path / "moved" / "flats.csv")
    result = audit_flats(tmp_path / "moved" / "flats.csv", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "cannot be told" not in result.output


def test_other_groups_in_the_same_table_give_other_folds(tmp_path: Path) -> None:
    table = write_flats(tmp_path / "flats.csv")
    assert audit_flats(table, tmp_path / "run").exit_code == 0
    result = audit_flats(write_flats(table, house=4), tmp_path / "run")
    assert result.exit_code == 2
    assert "samples in another part or group: flats:line 3, " in result.output


@pytest.mark.fault(1)
def test_a_changed_table_is_told_for_an_audit_without_a_content(tmp_path: Path) -> None:
    table = write_flats(tmp_path / "flats.csv")
    assert audit_flats(table, tmp_path / "run").exit_code == 0
    (tmp_path / "run" / "content.parquet").unlink()  # as in a folder of version 0.1.0
    result = audit_flats(write_flats(table, rent=100.0), tmp_path / "run")
    assert "It cannot be told whether" in result.output


def write_weights(file: Path, seed: int) -> Path:
    generator = torch.Generator().manual_seed(seed)
    save_file({"2.weight": torch.randn(5, 12, generator=generator), "2.bias": torch.zeros(5)}, file)
    return file


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of weights of the first linear layer of a network with two."""
    deeper = FACTORY.replace("nn.Linear(12, num_classes)", "nn.Linear(12, 5), nn.Linear(5, num_classes)")
    (tmp_path / "networks_of_faces.py").write_text(deeper.replace("num_classes)", "num_classes=1)", 1))
    monkeypatch.delitem(sys.modules, "networks_of_faces", raising=False)
    return write_weights(tmp_path / "start.safetensors", 0)


@pytest.mark.parametrize("command", [audit, compare])
def test_another_file_of_weights_is_refused(
    command: Callable[..., Result], faces: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for _ in range(2):
        result = command(faces, out, "--weights", weights)
        assert result.exit_code == 0, result.output
    write_weights(weights, 1)
    result = command(faces, out, "--weights", weights)
    assert result.exit_code == 2
    assert "It holds results of another file of weights" in result.output


@pytest.mark.fault(1)
def test_a_new_seed_is_compared_with_a_seed_whose_content_is_kept(faces: Path, others: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for seed in (0, 1):
        assert compare(faces, out, "--seed", seed).exit_code == 0
    (out / "content" / "seed0.parquet").unlink()  # as in records of version 0.1.0
    result = compare(others, out, "--seed", 2)
    assert result.exit_code == 2
    assert "It holds results of other data: other inputs: " in result.output


@pytest.mark.fault(1)
def test_records_that_another_process_wrote_meanwhile_are_compared(
    faces: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(faces, tmp_path / "first").exit_code == 0

    @contextmanager
    def waiting(out: Path) -> Iterator[None]:
        shutil.copytree(tmp_path / "first", out)
        yield

    monkeypatch.setattr("deepgum.experiments.paper.compare.alone_in", waiting)
    result = compare(others, tmp_path / "run")
    assert result.exit_code == 2
    assert "It holds results of other data: other inputs: " in result.output


@contextmanager
def killed_after_one_network() -> Iterator[None]:
    """Interrupt an audit before its second network."""
    predict, fits = NetworkLearner.predict, [0]

    def stop(self: NetworkLearner, *given: Any) -> object:
        fits[0] += 1
        if fits[0] == 2:
            raise KeyboardInterrupt
        return predict(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkLearner, "predict", stop)
        yield


@pytest.fixture
def killed(faces: Path, tmp_path: Path) -> Path:
    """Return the folder of an audit that ended before its second network."""
    with killed_after_one_network():
        assert audit(faces, tmp_path / "run").exit_code == 130
    assert len(list((tmp_path / "run" / "fits").glob("*.fit"))) == 1
    return tmp_path / "run"


@pytest.mark.fault(2)
def test_an_audit_is_not_continued_with_other_data(killed: Path, others: Path) -> None:
    result = audit(others, killed)
    assert result.exit_code == 2
    assert "It holds results of other data: other inputs: " in result.output


@pytest.mark.fault(2)
def test_an_audit_is_not_continued_with_networks_of_other_weights(faces: Path, weights: Path, tmp_path: Path) -> None:
    with killed_after_one_network():
        assert audit(faces, tmp_path / "run", "--weights", weights).exit_code == 130
    write_weights(weights, 1)
    for out in ("run", "whole"):
        assert audit(faces, tmp_path / out, "--weights", weights).exit_code == 0
    continued, whole = (AuditFolder(tmp_path / out).labels().predicted for out in ("run", "whole"))
    np.testing.assert_array_equal(continued, whole)


@pytest.mark.fault(2)
@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: b"", lambda whole: flipped(whole)])
def test_damaged_predictions_are_computed_again(
    killed: Path, faces: Path, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (kept,) = (killed / "fits").glob("*.fit")
    kept.write_bytes(damage(kept.read_bytes()))
    result = audit(faces, killed)
    assert result.exit_code == 0, result.output
    assert "is damaged. Its network is trained again." in " ".join(result.output.split())
    assert audit(faces, tmp_path / "whole").exit_code == 0
    np.testing.assert_array_equal(
        AuditFolder(killed).labels().predicted, AuditFolder(tmp_path / "whole").labels().predicted
    )


def flipped(whole: bytes) -> bytes:
    return whole[:-1] + bytes([whole[-1] ^ 1])


def test_a_picture_that_has_changed_since_the_audit_is_not_shown(faces: Path, tmp_path: Path) -> None:
    assert audit(faces, tmp_path / "run").exit_code == 0
    folder = AuditFolder(tmp_path / "run")
    pictures = folder.pictures()
    assert pictures is not None
    viewer = PictureViewer.of(folder.summary().data, pictures)
    row = folder.labels().ids.index("5_0_0_4.jpg")
    assert viewer.jpeg(row, 64)[1] is not None
    write_face(faces / "5_0_0_4.jpg", 200)
    view, jpeg = viewer.jpeg(row, 64)
    assert (view.problem, jpeg) == ("Not shown: the image has changed since the audit.", None)
    assert viewer.jpeg(row - 1, 64)[1] is not None


def test_an_evaluation_on_changed_data_says_so(faces: Path, tmp_path: Path) -> None:
    assert fit(faces, tmp_path / "run").exit_code == 0
    evaluate = ("evaluate", tmp_path / "run", "--trust", "--threads", 1)
    assert "have changed" not in call(*evaluate).output
    write_face(faces / "5_0_0_4.jpg", 200)
    words = " ".join(call(*evaluate).output.split())
    assert "The data have changed since the training" in words
    assert "other inputs: 5_0_0_4.jpg" in words


def test_a_gain_is_measured_on_the_audited_data_only(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert audit(faces, out).exit_code == 0
    labels = AuditFolder(out).labels()
    fix = Change(labels.ids[0], "age", (float(labels.given[0, 0]),), (33.0,), "fix")
    write_patch(Patch("utkface", {}, ("age",), {"age": (0,)}, changes=(fix,)), tmp_path / "fix.patch.jsonl")
    write_face(faces / "5_0_0_4.jpg", 200)
    result = call("gain", out, tmp_path / "fix.patch.jsonl", "--trust", "--threads", 1)
    assert result.exit_code == 2
    assert "other inputs: 5_0_0_4.jpg" in result.output


def test_all_files_are_read_again_on_request(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[Path] = []
    monkeypatch.setattr("deepgum.storage.hashes.forget_hashes", forgotten.append)
    for command in ("fit", "audit", "compare", "reproduce"):
        assert "--verify" in call(command, "--help").output
    config = tmp_path / "faces.toml"
    config.write_text(FIT.format(folder=faces.as_posix(), factory="networks_of_faces:small"))
    assert call("fit", config, "--out", tmp_path / "run", "--verify", "--threads", 1).exit_code == 0
    assert forgotten == [tmp_path / "cache"]


def test_the_content_of_a_run_is_that_of_its_data(faces: Path, tmp_path: Path) -> None:
    assert fit(faces, tmp_path / "run").exit_code == 0
    content = Content.read(tmp_path / "run" / "content.parquet")
    assert sorted(content.ids) == sorted(file.name for file in faces.iterdir())
    assert set(content.parts) == {"train", "validation", "test"}


def test_an_audit_of_a_table_that_names_images_twice_is_continued(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [file.name for file in sorted(faces.iterdir())]
    rows = "".join(f"{name},{name.partition('_')[0]}\n" for name in [*names, *names[:9]])
    (faces / "ages.csv").write_text(f"file,age\n{rows}")
    options = ("--image", "file", "--targets", "age")
    with killed_after_one_network():
        assert audit(faces / "ages.csv", tmp_path / "run", *options).exit_code == 130
    predict, fits = NetworkLearner.predict, {"run": 0, "whole": 0}
    for out in fits:

        def counted(self: NetworkLearner, *given: Any, out: str = out) -> object:
            fits[out] += 1
            return predict(self, *given)

        monkeypatch.setattr(NetworkLearner, "predict", counted)
        assert audit(faces / "ages.csv", tmp_path / out, *options).exit_code == 0
    assert fits["run"] == fits["whole"] - 1
    continued, whole = (AuditFolder(tmp_path / out).labels() for out in fits)
    assert continued.ids == whole.ids
    np.testing.assert_array_equal(continued.predicted, whole.predicted)
