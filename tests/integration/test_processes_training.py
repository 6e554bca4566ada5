"""Training over several processes, each a real one: what they come to together, and what happens when one is lost."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

if importlib.util.find_spec("lightning") is None and importlib.util.find_spec("lightning_fabric") is None:
    pytest.skip("Needs lightning-fabric.", allow_module_level=True)

CREW = Path(__file__).with_name("fabric_crew.py")
# Seconds that processes may take on a busy machine.
LIMIT = 300


class Crew:
    """Processes that do a task together; copies of one that has imported everything."""

    def __init__(self, folder: Path, task: str, world_size: int = 2, **arguments: Any) -> None:
        self.folder, self.world_size = folder, world_size
        for left in ("meet", "flag-0", "flag-1", *(f"{rank}.pt" for rank in range(world_size))):
            (folder / left).unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        calls = [{"CALL": (task, rank, world_size, str(folder), arguments)} for rank in range(world_size)]
        self.processes = [context.Process(target=runpy.run_path, args=(str(CREW), call, "crew")) for call in calls]
        for process in self.processes:
            process.start()

    def join(self, seconds: float = LIMIT) -> list[dict[str, Any] | None]:
        """Return what each left, None of one that left nothing; none may take longer."""
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(deadline - time.monotonic(), 0))
        late = [rank for rank, process in enumerate(self.processes) if process.is_alive()]
        self.kill()
        assert not late, f"Processes {late} did not end."
        files = [self.folder / f"{rank}.pt" for rank in range(self.world_size)]
        return [torch.load(file, weights_only=True) if file.exists() else None for file in files]

    def wait_for_flag(self) -> None:
        deadline = time.monotonic() + LIMIT
        while not any(self.folder.glob("flag-*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> None:
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()


def rows(parts: list[dict[str, Any]], name: str) -> torch.Tensor:
    """Put together, in order, what each process knows of its own samples; every sample is some process's own, once."""
    index = torch.cat([part["index"] for part in parts])
    assert torch.equal(index.sort().values, torch.arange(len(index)))
    return torch.cat([part[name] for part in parts])[index.argsort()]


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the last bit, NaN to NaN."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one.nan_to_num(nan=-7e7), other.nan_to_num(nan=-7e7))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


# ---- what they come to


@pytest.mark.parametrize("more", [{"precision": "bf16-mixed"}, {"n": 103, "normalised": True}], ids=str)
def test_both_end_with_one_network_and_the_residuals_of_their_own_samples(tmp_path: Path, more: dict[str, Any]) -> None:
    one, other = Crew(tmp_path, "train", torchrun=True, **more).join()
    for name in ("weights", "mixture", "epochs"):
        assert same(one[name], other[name])
    tolerance = 0.02 if "precision" in more else 1e-5
    for part in (one, other):
        torch.testing.assert_close(part["residuals"], part["expected"], rtol=0, atol=tolerance)
        torch.testing.assert_close(part["responsibilities"], part["by_verdict"], rtol=0, atol=0)
    assert len(rows([one, other], "residuals")) == more.get("n", 100)


@pytest.mark.parametrize("weighted", [False, True])
def test_two_processes_train_as_one_does(tmp_path: Path, weighted: bool) -> None:
    together, (alone,) = (Crew(tmp_path, "train", world, weighted=weighted).join() for world in (2, 1))
    for name, values in alone["weights"].items():
        torch.testing.assert_close(together[0]["weights"][name], values, rtol=0, atol=1e-5)
    for name in ("residuals", "responsibilities"):
        torch.testing.assert_close(rows(together, name), alone[name], rtol=0, atol=1e-5)
    phases = [phase for phase, *_ in alone["epochs"]]
    assert phases == [phase for phase, *_ in together[0]["epochs"]]
    assert phases[-1] == "weighted l1"
    numbers = [torch.tensor([epoch[1:] for epoch in part["epochs"]]) for part in (together[0], alone)]
    torch.testing.assert_close(*numbers, rtol=1e-5, atol=0)


def test_a_fabric_of_one_device_is_plain_torch_to_the_last_bit(tmp_path: Path) -> None:
    with_fabric, without = (Crew(tmp_path, "train", 1, plain=plain).join()[0] for plain in (False, True))
    assert same(with_fabric, without)


def test_the_weights_of_an_epoch_come_in_one_message_however_many_steps_it_has(tmp_path: Path) -> None:
    few, many = (Crew(tmp_path, "talk", batch_size=size).join()[0]["exchanges"] for size in (50, 10))
    assert few == many > 0


def test_dropout_is_another_one_in_each_process(tmp_path: Path) -> None:
    one, other = Crew(tmp_path, "dice").join()
    assert not torch.equal(one["drawn"], other["drawn"])


@pytest.mark.parametrize("groups", ["sample", "coordinate"])
def test_the_mixture_of_two_processes_is_that_of_one(tmp_path: Path, groups: str) -> None:
    together, (alone,) = (Crew(tmp_path, "fit_mixture", world, groups=groups).join() for world in (2, 1))
    assert same(*together)
    fitted, reference = together[0]["mixture"], alone["mixture"]
    for name in ("priors", "covariances", "log_uniform"):
        torch.testing.assert_close(fitted[name], reference[name], rtol=1e-10, atol=0)
    assert fitted["n_iter"] == reference["n_iter"] > 3
    assert together[0]["score"] == pytest.approx(alone["score"], rel=1e-10)


def test_what_is_known_of_a_sample_follows_it_from_process_to_process(tmp_path: Path) -> None:
    parts = Crew(tmp_path, "follow").join()
    for before, after in ((0, 1), (1, 2)):
        # The samples are dealt out anew every epoch, and many are not shown to the process that keeps them.
        for part in parts:
            seen = [set(part["epochs"][epoch]["seen"].tolist()) for epoch in (before, after)]
            assert len(seen[0] ^ seen[1]) > 10
            assert len(seen[1] - set(part["index"].tolist())) > 10
    for epoch in range(3):
        assert set().union(*(part["epochs"][epoch]["seen"].tolist() for part in parts)) == set(range(51))
        for part in parts:
            assert part["epochs"][epoch]["mirrored"] > 0
            found = part["epochs"][epoch]["residuals"]
            as_one, as_other = (
                torch.isclose(found, part[name], atol=1e-6, equal_nan=True).all(dim=1) for name in ("plain", "mirrored")
            )
            assert (as_one | as_other).all()
            assert as_one.any()
            assert as_other.any()
    responsibilities = rows(parts, "responsibilities")
    for part in parts:
        # Two landmarks of two coordinates each: the weights of any sample, wherever it is kept.
        expected = responsibilities.repeat_interleave(2, dim=1).float()
        torch.testing.assert_close(part["weights"], expected, rtol=0, atol=0)


# ---- a process that is lost


@pytest.mark.parametrize("moment", ["setup", "forward", "backward", "weights", "update", "score", "save"])
def test_when_one_is_killed_the_other_ends_and_says_so(tmp_path: Path, moment: str) -> None:
    crew = Crew(tmp_path, "lose", moment=moment)
    left, nothing = crew.join()
    assert nothing is None
    assert crew.processes[1].exitcode == -signal.SIGKILL
    assert left["error"] == "ProcessLostError", left
    assert "Process 0 of 2 lost another process" in left["message"]


def test_when_one_meets_an_error_the_other_ends_and_says_so(tmp_path: Path) -> None:
    left, own = Crew(tmp_path, "fail").join()
    assert own == {"error": "DeepGUMError", "message": "mine"}
    assert left["error"] == "ProcessLostError"


# ---- checkpoints


@pytest.mark.parametrize("moment", ["epoch", "half", "own", "common"])
def test_killed_processes_go_on_as_if_they_had_not_been(
    tmp_path: Path, moment: str, whole: list[dict[str, Any]]
) -> None:
    crew = Crew(tmp_path, "stand_still", moment=moment)
    crew.wait_for_flag()
    crew.kill()
    assert (tmp_path / "run.safetensors").exists()
    resumed = Crew(tmp_path, "train", normalised=True, checkpoint="run.safetensors").join()
    assert same(resumed, whole)
    own = sorted(file.name for file in tmp_path.glob("run.process*"))
    assert own == ["run.process-0.save-4.safetensors", "run.process-1.save-4.safetensors"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return Crew(tmp_path_factory.mktemp("whole"), "train", normalised=True).join()


def test_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    Crew(tmp_path, "train", checkpoint="run.safetensors").join()
    before = (tmp_path / "run.safetensors").read_bytes()
    (alone,) = Crew(tmp_path, "train", 1, checkpoint="run.safetensors").join()
    assert alone["error"] == "CheckpointError"
    assert "processes = 2 there and 1 here" in alone["message"]
    assert (tmp_path / "run.safetensors").read_bytes() == before
    (tmp_path / "run.process-1.save-4.safetensors").unlink()
    one, other = Crew(tmp_path, "train", checkpoint="run.safetensors").join()
    assert other["error"] == "CheckpointError"
    assert "run.process-1.save-4.safetensors" in other["message"]
    assert one["error"] == "ProcessLostError"
    assert "1 had an error" in one["message"]


def test_a_folder_that_not_all_of_them_see_is_no_place_for_a_checkpoint(tmp_path: Path) -> None:
    Crew(tmp_path, "train", checkpoint="run.safetensors", apart=True).join()
    for part in Crew(tmp_path, "train", checkpoint="run.safetensors", apart=True).join():
        assert part["error"] == "CheckpointError"
        assert "in a folder that all processes can access. Found" in part["message"]


# ---- at the door


@pytest.mark.parametrize("what", ["model", "seed", "train"])
def test_processes_that_were_given_different_arguments_are_told_which(tmp_path: Path, what: str) -> None:
    for part in Crew(tmp_path, "differ", what=what).join():
        assert part["error"] == "InvalidParameterError"
        assert f"`{what}` should be the same in all processes" in part["message"]


def test_what_cannot_be_trained_so_is_said_before_any_work(tmp_path: Path) -> None:
    one, *others = Crew(tmp_path, "refuse", 4).join()
    assert all(same(one, other) for other in others)
    for name, expected in {
        "alternate": "`schedule` should be 'interleaved' with a `fabric`",
        "odd batch": "`batch_size` should be a multiple of the 4 processes",
        "small batch": "with 2 samples or more for each",
        "few": "`validation` should have at least one sample for each of 4 processes. Found 3",
        "no fabric": "`fabric` should be a `Fabric`",
        "half": "precision '32-true' or 'bf16-mixed'. Found `fabric = '16-true'`",
        "set up": "`model` should be a plain network",
    }.items():
        assert expected in one[name], name
    assert "Call `fabric.launch()` first" in one["not launched"]


# ---- the example


def test_the_example_is_trained_by_two_processes() -> None:
    example = Path(__file__).parents[2] / "examples" / "two_processes.py"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": port}
    done = subprocess.run(
        [sys.executable, example], env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "labels" in line]
    assert line.startswith("2 processes")
