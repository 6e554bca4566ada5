"""Several processes: their messages, and the errors if one process dies."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from deepgum.errors import InvalidParameterError, ProcessLostError
from deepgum.processes import SOLO, TorchProcesses, all_or_none, current

WORLD = 3
TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool)
# Time limit in seconds for a busy machine; incorrect processes would wait for each other forever.
LIMIT = 120


def parts(rank: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Return the parts that process `rank` sends to each process; the numbers of rows differ and one is 0."""
    rows = [(receiver + 2 * rank) % WORLD for receiver in range(WORLD)]
    return [torch.full((n, 2), 10 * rank + receiver).to(dtype) for receiver, n in enumerate(rows)]


def talk(rank: int, processes: TorchProcesses) -> dict[str, object]:
    own = torch.tensor([[1.0, 0.5], [-2.0, 4.0]]) * (rank + 1)
    before = own.clone()
    found = {
        "who": (processes.rank, processes.world_size),
        "sum": processes.sum(own),
        "minimum": processes.minimum(own),
        "maximum": processes.maximum(own),
        "transposed": processes.sum(own.T),  # not contiguous
        "whole": processes.sum(torch.tensor(rank)),
        "nothing": processes.sum(torch.zeros(0, 3)),
        "exchanged": [processes.exchange(parts(rank, dtype)) for dtype in TYPES],
        "untouched": torch.equal(own, before),
    }
    try:
        with all_or_none(processes):
            if rank == 1:
                raise KeyError("a fault")
    except (KeyError, ProcessLostError) as error:
        found["fault"] = type(error).__name__, str(error)
    return found


def die(rank: int, processes: TorchProcesses) -> dict[str, object]:
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    began = time.monotonic()
    try:
        while True:
            processes.sum(torch.ones(1))
    except ProcessLostError as error:
        return {"lost": str(error), "seconds": time.monotonic() - began}


def main(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    processes = current()
    assert isinstance(processes, TorchProcesses)
    found = talk(rank, processes)
    torch.save(found, folder / f"{rank}.pt")
    torch.save(found | die(rank, processes), folder / f"{rank}.pt")
    # Without this call, threads of torch could abort the exit of the interpreter.
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Run processes, one of which kills itself at the end; return the output of each process."""
    folder = tmp_path_factory.mktemp("processes")
    context = multiprocessing.get_context("forkserver")
    calls = [{"RANK": rank, "FOLDER": folder} for rank in range(WORLD)]
    crew = [context.Process(target=runpy.run_path, args=(__file__, call, "crew")) for call in calls]
    for process in crew:
        process.start()
    try:
        for process in crew:
            process.join(LIMIT)
        assert [process.exitcode for process in crew] == [0, -signal.SIGKILL, 0]
    finally:
        for process in crew:
            process.kill()
            process.join()
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


def test_each_process_has_its_rank(outputs):
    assert [found["who"] for found in outputs] == [(rank, WORLD) for rank in range(WORLD)]


def test_sums_and_extremes_are_equal_on_all_processes_and_do_not_change_the_argument(outputs):
    own = torch.tensor([[1.0, 0.5], [-2.0, 4.0]])
    for found in outputs:
        torch.testing.assert_close(found["sum"], own * 6)
        torch.testing.assert_close(found["transposed"], own.T * 6)
        torch.testing.assert_close(found["minimum"], torch.tensor([[1.0, 0.5], [-6.0, 4.0]]))
        torch.testing.assert_close(found["maximum"], torch.tensor([[3.0, 1.5], [-2.0, 12.0]]))
        assert found["whole"].item() == 3
        assert found["nothing"].shape == (0, 3)
        assert found["untouched"]


def test_an_exchange_transposes_senders_and_receivers(outputs):
    for receiver, found in enumerate(outputs):
        for dtype, arrived in zip(TYPES, found["exchanged"], strict=True):
            assert len(arrived) == WORLD
            for sender, part in enumerate(arrived):
                assert part.dtype == dtype
                assert torch.equal(part, parts(sender, dtype)[receiver])


def test_an_error_of_one_process_ends_all(outputs):
    assert outputs[1]["fault"] == ("KeyError", "'a fault'")
    for rank in (0, 2):
        kind, message = outputs[rank]["fault"]
        assert kind == "ProcessLostError"
        assert "1 had an error" in message


def test_a_process_that_is_killed_ends_the_others_with_a_message(outputs):
    for rank in (0, 2):
        assert f"Process {rank} of 3 lost another process" in outputs[rank]["lost"]
        assert "start all processes again" in outputs[rank]["lost"]
        assert "checkpoint" in outputs[rank]["lost"]
        assert outputs[rank]["seconds"] < LIMIT


def test_a_single_process_exchanges_with_itself():
    values = torch.tensor([1.0, -2.0])
    for told in (SOLO.sum(values), SOLO.minimum(values), SOLO.maximum(values), *SOLO.exchange([values])):
        assert torch.equal(told, values)
        assert told.data_ptr() != values.data_ptr()
    assert (SOLO.rank, SOLO.world_size) == (0, 1)
    assert current() is SOLO


def test_invalid_parts_of_an_exchange_are_refused():
    with pytest.raises(InvalidParameterError, match=r"one tensor for each of 1 processes\. Found `parts = 2`"):
        SOLO.exchange([torch.zeros(1), torch.zeros(1)])
    with pytest.raises(InvalidParameterError, match="tensors whose rows"):
        SOLO.exchange([torch.tensor(1.0)])


def test_without_a_group_there_is_a_hint():
    with pytest.raises(InvalidParameterError, match=r"init_process_group.*SOLO"):
        TorchProcesses()


if __name__ == "crew":
    main(RANK, FOLDER)  # noqa: F821  # given by `run_path`
