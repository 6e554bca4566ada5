"""A checkpoint restores its state exactly; a checkpoint that cannot be used is refused with the reason."""

from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

import deepgum.training.state.checkpoint as module
from deepgum.data.regression import RegressionData
from deepgum.errors import CheckpointError, DeepGUMError, DiskFullError, InvalidDataError
from deepgum.losses import Cauchy
from deepgum.storage.disk import check_space
from deepgum.training import Alternate, DeepGUMOptions, SGDOptions
from deepgum.training.history import EpochRecord, History, Resumed, RoundRecord
from deepgum.training.job import Training
from deepgum.training.loop.sgd import build_optimizer, build_schedule
from deepgum.training.state.checkpoint import Checkpoint
from deepgum.training.state.identity import identity_of
from deepgum.training.state.journal import Journal
from deepgum.training.state.packing import pack, unpack
from deepgum.training.state.snapshot import Machinery, restore_weights, seeded

STATE = {
    "epoch": 3,
    "best": math.inf,
    "worst": -math.inf,
    "unknown": math.nan,
    "nothing": None,
    "nought": -0.0,
    "tiny": 5e-324,
    "third": 1 / 3,
    "large": 2**80,
    "yes": True,
    "text": "\u00e9\n\"'",
    "order": [3, 1.0, [], ()],
    "betas": (0.9, 0.999),
    "state": {0: {"step": torch.tensor(7.0)}, 1: {}, (2, "a"): torch.zeros(0, 3)},
    "half": torch.tensor([1.5, -2.25], dtype=torch.bfloat16),
    "mask": torch.tensor([True, False]),
    "bytes": torch.arange(256, dtype=torch.uint8),
    "double": torch.tensor([1 / 3, math.nan, math.inf], dtype=torch.float64),
}


def same(a: Any, b: Any) -> bool:
    """Return whether two states have the same types and the same bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b)]
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a.hex() == b.hex()
    return bool(a == b)


def test_a_state_is_restored_exactly(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.safetensors", {})
    checkpoint.save(STATE)
    assert same(checkpoint.load(), STATE)


def test_the_skeleton_is_strict_json() -> None:
    skeleton, tensors = pack(STATE)
    text = json.dumps(skeleton, allow_nan=False)
    assert same(unpack(json.loads(text), tensors), STATE)


def test_views_are_stored_separately_and_a_repeated_tensor_once() -> None:
    whole = torch.arange(6.0)
    skeleton, tensors = pack({"whole": whole, "again": whole, "part": whole[2:4], "across": whole.view(2, 3).T})
    assert len(tensors) == 3
    content = safetensors.torch.save(tensors)  # refuses tensors that share memory
    state = unpack(skeleton, safetensors.torch.load(content))
    assert same(state, {"whole": whole, "again": whole, "part": whole[2:4], "across": whole.view(2, 3).T.contiguous()})
    state["whole"][0] = 9.0
    assert state["again"][0] == 0.0


def test_numpy_numbers_become_numbers() -> None:
    skeleton, _ = pack({"lr": np.float64(0.1)})
    assert same(unpack(json.loads(json.dumps(skeleton)), {}), {"lr": 0.1})


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"a": [1, {"b": object()}]}, r"`state\['a'\]\[1\]\['b'\]`.*Found a object"),
        ({"a": np.zeros(2)}, r"`state\['a'\]`.*Found a ndarray"),
        ({"a": {object(): 1}}, r"Keys of `state\['a'\]`"),
        ({"a": lambda: 0}, "Found a function"),
    ],
)
def test_a_value_of_another_type_is_named_and_the_previous_checkpoint_stays(
    tmp_path: Path, state: dict[str, Any], where: str
) -> None:
    checkpoint = Checkpoint(tmp_path / "c", {})
    checkpoint.save({"epoch": 1})
    with pytest.raises(InvalidDataError, match=where):
        checkpoint.save(state)
    assert checkpoint.load() == {"epoch": 1}


@pytest.mark.parametrize("skeleton", [{"pickle": "cos"}, {"dict": 3}, {}, {"tensor": "9"}, {"a": 1, "b": 2}])
def test_an_unknown_skeleton_is_refused(skeleton: Any) -> None:
    with pytest.raises(InvalidDataError, match="packed state"):
        unpack(skeleton, {})


def test_the_file_is_in_safetensors(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "c", {"seed": 1}).save({"epoch": 3, "w": torch.ones(2)})
    with safe_open(tmp_path / "c", framework="np") as file:
        assert json.loads(file.metadata()["identity"]) == {"seed": 1}
        assert [file.get_tensor(name).tolist() for name in file.keys()] == [[1.0, 1.0]]  # noqa: SIM118


def test_a_missing_file_gives_no_state_and_its_folder_is_created(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "new" / "deep" / "c", {})
    assert checkpoint.load() is None
    checkpoint.save({})
    assert checkpoint.load() == {}
    checkpoint.remove()
    checkpoint.remove()
    assert checkpoint.load() is None


def test_the_file_of_another_training_is_refused_with_the_differences_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "c"
    Checkpoint(path, {"seed": 0, "sgd": {"patience": 5, "learning_rate": 0.1}}).save({"epoch": 1})
    before = path.read_bytes()
    with pytest.raises(CheckpointError) as caught:
        Checkpoint(path, {"seed": 0, "sgd": {"patience": 3, "learning_rate": 0.1}, "loss": "l2"}).load()
    message = str(caught.value)
    assert "loss = None there and 'l2' here; sgd.patience = 5 there and 3 here" in message
    assert "learning_rate" not in message
    assert "delete the file" in message
    assert path.read_bytes() == before


def test_the_error_is_a_deepgum_error_and_a_value_error() -> None:
    assert issubclass(CheckpointError, DeepGUMError)
    assert issubclass(CheckpointError, ValueError)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    checkpoint = Checkpoint(path, {"seed": 0})
    checkpoint.save({"epoch": 3, "w": torch.arange(8.0)})
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 9, len(content) // 2, len(content) - 32, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"'.*c' should be a checkpoint.*Delete the file"):
            checkpoint.load()
    path.write_bytes(content)
    assert checkpoint.load() is not None


def test_a_flipped_bit_is_found_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "c"
    checkpoint = Checkpoint(path, {"seed": 0})
    state = {"epoch": 3, "best": math.inf, "w": torch.arange(3.0), "mask": torch.tensor([True])}
    checkpoint.save(state)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for at in range(len(content)):
        for bit in range(8) if at >= header else (0, 5):
            turned = bytearray(content)
            turned[at] ^= 1 << bit
            path.write_bytes(turned)
            with pytest.raises(
                CheckpointError, match=r"should be a checkpoint of this library.*Delete the file to begin"
            ):
                checkpoint.load()
    path.write_bytes(content)
    assert same(checkpoint.load(), state)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip, as torch.save writes",
        b"\x80\x02}q\x00.",
        b'{"epoch": 3}',
        safetensors.torch.save({"w": torch.ones(2)}),
        safetensors.torch.save({"w": torch.ones(2)}, {"format": "pt"}),
        safetensors.torch.save({}, {"format": "deepgum.checkpoint", "version": "3", "identity": "{}", "state": "[[["}),
        safetensors.torch.save({}, {"format": "deepgum.checkpoint", "version": "3", "identity": "{}"}),
        safetensors.torch.save(
            {}, {"format": "deepgum.checkpoint", "version": "3", "identity": "{}", "state": '{"tensor": "0"}'}
        ),
    ],
    # safetensors writes its header in a random order, so the content cannot be the id.
    ids=[
        "empty",
        "zip",
        "pickle",
        "json",
        "tensor",
        "of torch",
        "malformed state",
        "no state",
        "state without tensors",
    ],
)
def test_a_file_of_another_format_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"should be a checkpoint of this library.*Delete the file to begin"):
        Checkpoint(path, {}).load()
    assert path.read_bytes() == content


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "_VERSION", "99")
        Checkpoint(tmp_path / "c", {}).save({})
    with pytest.raises(CheckpointError, match="format is '99', and this version of deepgum reads '3'"):
        Checkpoint(tmp_path / "c", {}).load()


def test_a_checkpoint_of_version_0_1_0_is_refused_with_advice_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    with monkeypatch.context() as patched:
        patched.setattr(module, "_VERSION", "2")
        Checkpoint(path, {}).save({})
    content = path.read_bytes()
    expected = r"Version 0\.1\.0 wrote this file\. Finish the training with that version, delete the file to begin"
    with pytest.raises(CheckpointError, match=expected):
        Checkpoint(path, {}).load()
    assert path.read_bytes() == content


def test_a_path_that_cannot_be_written_is_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Found a folder"):
        Checkpoint(tmp_path, {}).load()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="should be a folder for a checkpoint"):
        Checkpoint(tmp_path / "file" / "c", {}).load()


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "c", {})
    checkpoint.save({"epoch": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match="a checkpoint"):
            checkpoint.save({"epoch": 2})
    assert checkpoint.load() == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_save_reaches_the_disk_before_it_replaces_the_previous_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (done.append(name), real(*a))[1])
    Checkpoint(tmp_path / "c", {}).save({"epoch": 1})
    assert done == ["fsync", "replace", "fsync"]  # the file, its new name, the folder


def test_only_temporary_files_of_killed_saves_are_removed(tmp_path: Path) -> None:
    others = {"c-2.safetensors", ".c-2-0123abcd.tmp", ".c-backup.tmp", ".c-0123abcd.txt", ".d.safetensors.1.partial"}
    for name in (*others, ".c-0123abcd.tmp", ".c.safetensors.17-ffffffff.partial"):
        (tmp_path / name).write_bytes(b"half")
    checkpoint = Checkpoint(tmp_path / "c.safetensors", {})
    assert checkpoint.load() is None
    assert {path.name for path in tmp_path.iterdir()} == others
    (tmp_path / ".c-00000000.tmp").write_bytes(b"half")
    checkpoint.remove()
    assert {path.name for path in tmp_path.iterdir()} == others


# ---- the state of SGD


def convolution() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 1)).to(
        memory_format=torch.channels_last
    )


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_sgd_resumes_exactly(tmp_path: Path, optimizer: str, schedule: str) -> None:
    options = SGDOptions(optimizer=optimizer, schedule=schedule, learning_rate=0.01, weight_decay=0.1)
    device = torch.device("cpu")

    def fresh() -> Machinery:
        model = convolution()
        built = build_optimizer(model, options)
        return Machinery(model, built, build_schedule(built, options, 20), torch.Generator().manual_seed(5), device)

    def step(machinery: Machinery) -> None:
        inputs = torch.randn(8, 2, 4, 4, generator=machinery.generator).contiguous(memory_format=torch.channels_last)
        machinery.optimizer.zero_grad()
        machinery.model(inputs).square().mean().backward()
        machinery.optimizer.step()
        machinery.schedule.step()

    checkpoint = Checkpoint(tmp_path / "c", {})
    with seeded(1, device):
        one = fresh()
        for number in range(10):
            step(one)
            if number == 4:
                checkpoint.save(one.state_dict())
    other = fresh()
    with seeded(99, device):
        state = checkpoint.load()
        assert state is not None
        other.load_state_dict(state)
        for _ in range(5):
            step(other)
        assert same(other.state_dict(), one.state_dict())
    moments = [state for state in other.optimizer.state[next(other.model.parameters())].values() if state.ndim == 4]
    assert moments
    assert all(moment.is_contiguous(memory_format=torch.channels_last) for moment in moments)


def test_the_random_states_are_saved_and_restored() -> None:
    machinery_of = lambda: Machinery(  # noqa: E731
        model := nn.Linear(1, 1),
        built := build_optimizer(model, SGDOptions()),
        build_schedule(built, SGDOptions(), 1),
        torch.Generator().manual_seed(3),
        torch.device("cpu"),
    )
    with seeded(1, torch.device("cpu")):
        torch.rand(3)
        one = machinery_of()
        one.generator.seed()
        state = one.state_dict()
        drawn = torch.rand(4), torch.rand(4, generator=one.generator)
    outside = torch.get_rng_state()
    with seeded(2, torch.device("cpu")):
        other = machinery_of()
        other.load_state_dict(state)
        assert torch.equal(torch.rand(4), drawn[0])
        assert torch.equal(torch.rand(4, generator=other.generator), drawn[1])
        # Every run of SGD derives its seed from this generator.
        assert other.generator.initial_seed() == one.generator.initial_seed()
    assert torch.equal(torch.get_rng_state(), outside)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"weight differ.* is \(1, 2\) in the network and \(1, 3\)"):
        restore_weights(nn.Linear(2, 1), {"weight": torch.zeros(1, 3), "bias": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="bias"):
        restore_weights(nn.Linear(2, 1), {"weight": torch.zeros(1, 2)})


# ---- the journal


def test_a_history_is_restored_and_the_listener_gets_one_event() -> None:
    epochs = [EpochRecord("l2", 0, k, 1 / 3, math.inf, 0.1, best=k == 1) for k in (1, 2)]
    round = RoundRecord(0, (0.5,), (-3.0,), (((1.0, 0.0), (0.0, 2.0)),), (3,), ("converged",), 7, 1 / 7, 0.2)
    history, heard = History(), []
    for record in (*epochs, round):
        history.add(record)
    skeleton, _ = pack(history.state_dict())
    again = History(listener=heard.append)
    again.load_state_dict(unpack(json.loads(json.dumps(skeleton)), {}))
    assert again == history
    assert heard == [Resumed(0, 2, 2)]


def test_a_journal_saves_the_last_state_of_every_part_and_adds_the_seconds(tmp_path: Path) -> None:
    state = {"epoch": 0}
    journal = Journal(History(), Checkpoint(tmp_path / "c", {}))
    assert journal.resume("loop") is None
    journal.register("loop", lambda: {"epoch": -1})
    journal.register("loop", lambda: state)
    state["epoch"] = 4
    journal.save()
    spent = journal.seconds
    later = Journal(History(), Checkpoint(tmp_path / "c", {}))
    assert later.resume("loop") == {"epoch": 4}
    assert later.resume("loop") is None
    kept = Checkpoint(tmp_path / "c", {}).load()
    assert kept is not None
    assert 0 < kept["seconds"] <= spent
    assert later.seconds >= kept["seconds"]


def test_without_a_checkpoint_no_state_is_computed() -> None:
    def refuse() -> None:
        raise AssertionError("`state_dict` was called.")

    journal = Journal(History())
    journal.register("loop", refuse)
    journal.save()
    assert journal.resume("loop") is None


# ---- the identity of a training


def data(**changes: Any) -> RegressionData:
    arrays = {"inputs": torch.arange(8.0)[:, None], "targets": torch.arange(8.0)[:, None]} | changes
    return RegressionData.from_arrays(arrays.pop("inputs"), arrays.pop("targets"), **arrays)


def known(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    training = Training(nn.Linear(1, 1), data(), data(), Cauchy(1.0), SGDOptions(), seed=0)
    return identity_of(replace(training, **changes))


def moved(at: int) -> RegressionData:
    inputs = torch.arange(8.0)[:, None]
    inputs[at] += 2**-20
    return data(inputs=inputs)


def test_equal_trainings_have_equal_identities() -> None:
    assert known() == known()
    assert known(settings=DeepGUMOptions(groups=[range(0, 1)])) == known(settings=DeepGUMOptions(groups=[[0]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"sgd": SGDOptions(learning_rate=0.5)},
        {"settings": Cauchy(2.0)},
        {"settings": "cross-entropy"},
        {"settings": DeepGUMOptions()},
        {"settings": DeepGUMOptions(schedule=Alternate())},
        {"model": nn.Linear(1, 1)},
        {"train": moved(0)},
        {"train": moved(7)},
        {"validation": moved(3)},
        {"train": data(targets=torch.full((8, 1), math.nan))},
        {"train": data(sample_weight=torch.full((8,), 2.0))},
        {"train": data(inputs=torch.arange(8.0).reshape(4, 2).repeat_interleave(2, 0)[:, :1])},
    ],
)
def test_every_change_of_the_result_changes_the_identity(changes: dict[str, Any]) -> None:
    assert known(**changes) != known()


def test_the_identity_has_the_options_or_the_loss() -> None:
    told = known()
    assert (told["trains"], told["options"], told["loss"]) == ("loss", None, repr(Cauchy(1.0)))
    for options in (DeepGUMOptions(), DeepGUMOptions.preset("alternate")):
        told = known(settings=options)
        assert (told["trains"], told["options"], told["loss"]) == ("mixture", options.to_mapping(), "None")


def test_frozen_weights_and_dtypes_are_part_of_the_identity() -> None:
    frozen, other = nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1).requires_grad_(False)
    assert known(model=frozen) != known(model=other)
    as_numpy = data(inputs=np.arange(8, dtype=np.float32)[:, None])
    assert known(train=as_numpy) == known()
    assert known(train=data(inputs=torch.arange(8.0, dtype=torch.float16)[:, None])) != known()


def tanh_net(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 2), *(more or (nn.Tanh(), nn.Dropout(0.0))), nn.Linear(2, 1))


class Scaled(nn.Module):
    """A module whose `repr` has a function, with an address that is different each time."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.function = lambda x: x

    def extra_repr(self) -> str:
        return f"{self.factor}, {self.function!r}"


@pytest.mark.parametrize(
    "more",
    [
        (nn.ReLU(), nn.Dropout(0.0)),
        (nn.Tanh(), nn.Dropout(0.5)),
        (nn.Dropout(0.0), nn.Tanh()),
        (Scaled(2.0), nn.Dropout(0.0)),
    ],
)
def test_networks_with_equal_weights_and_other_structures_differ(more: tuple[nn.Module, ...]) -> None:
    here, there = known(model=tanh_net()), known(model=tanh_net(*more))
    assert here["network"]["structure"] != there["network"]["structure"]
    assert known(model=tanh_net()) == here


def test_the_structure_has_the_frozen_names_but_no_addresses() -> None:
    kept = [tanh_net(Scaled(2.0)) for _ in range(2)]
    assert known(model=kept[0]) == known(model=kept[1])
    assert known(model=tanh_net(Scaled(2.0))) != known(model=tanh_net(Scaled(3.0)))
    assert known(model=tanh_net().requires_grad_(False)) != known(model=tanh_net())


def test_the_free_space_is_checked_for_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = check_space

    def note(folder: Path, needed: int, what: str) -> None:
        asked.append(needed)
        real(folder, needed, what)

    monkeypatch.setattr("deepgum.storage.disk.check_space", note)
    Checkpoint(tmp_path / "c", {}).save({"w": torch.zeros(1000)})
    assert asked == [(tmp_path / "c").stat().st_size]
