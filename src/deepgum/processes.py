"""Several processes with one job: sums over all of them, and rows handed from each to each.

Everything that runs over several processes takes a `Processes` and asks nothing else of them. `SOLO` is the one process
of an ordinary program; `TorchProcesses` is a group of `torch.distributed`, whoever started it (torchrun, Lightning, a
batch system). All processes must make the same calls in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import torch
import torch.distributed as dist
from torch import Tensor

from deepgum.errors import InvalidParameterError, ProcessLostError, listing

__all__ = ["SOLO", "Processes", "TorchProcesses", "all_or_none", "current", "watched"]


class Processes(Protocol):
    """Processes that work together, numbered from 0; what they tell each other.

    Every method returns new tensors on the device of those that it was given, the same to the last bit on every
    process (but for `exchange`), and raises `ProcessLostError` when another process is gone.
    """

    @property
    def rank(self) -> int:
        """The number of this process."""

    @property
    def world_size(self) -> int:
        """How many there are."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes, entry by entry; `values` has the same shape and type on all of them."""

    def minimum(self, values: Tensor) -> Tensor:
        """Return the least over the processes, entry by entry; no entry may be NaN."""

    def maximum(self, values: Tensor) -> Tensor:
        """Return the largest over the processes, entry by entry; no entry may be NaN."""

    def exchange(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Hand `parts[r]` to process r, and return what each has for this one, by sender.

        Each part holds any number of rows, none too; their shape and type is the same in all parts of all processes.
        """


@dataclass(frozen=True)
class _Solo:
    rank: int = 0
    world_size: int = 1

    def sum(self, values: Tensor) -> Tensor:
        return values.clone()

    def minimum(self, values: Tensor) -> Tensor:
        return values.clone()

    def maximum(self, values: Tensor) -> Tensor:
        return values.clone()

    def exchange(self, parts: Sequence[Tensor]) -> list[Tensor]:
        _check_parts(parts, 1)
        return [parts[0].clone()]


SOLO: Processes = _Solo()
"""One process, alone."""


class TorchProcesses:
    """The processes of a `torch.distributed` group that is up: gloo on processors, nccl on GPUs.

    Parameters
    ----------
    group : ProcessGroup, optional
        By default all processes.

    Raises
    ------
    InvalidParameterError
        No process group is up, or this process is not in it.

    Notes
    -----
    With nccl alone tensors travel by this process's current CUDA device, which must be another one in each process;
    with gloo they travel by the processor's memory, wherever they are.

    A process that dies closes its connections, and the others' next call raises `ProcessLostError` at once. A machine
    that is cut off closes nothing: the call then waits as long as the group's `timeout` (an argument of
    `torch.distributed.init_process_group`). Under nccl it is its own watchdog that ends the waiting processes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=0, world_size=1)
    ...     print(TorchProcesses().sum(torch.tensor([1.0, 2.0])))
    ...     dist.destroy_process_group()
    tensor([1., 2.])
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        if not _is_up():
            hint = "Call `torch.distributed.init_process_group` first, or use `deepgum.processes.SOLO`."
            raise InvalidParameterError("group", "one of `torch.distributed` that is up", group, hint)
        rank = dist.get_rank(group)
        if rank < 0:
            raise InvalidParameterError("group", "one that this process is in", group)
        self.rank, self.world_size = rank, dist.get_world_size(group)
        self._group = group

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def minimum(self, values: Tensor) -> Tensor:
        """Return the least over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.MIN)

    def maximum(self, values: Tensor) -> Tensor:
        """Return the largest over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def exchange(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Hand `parts[r]` to process r, and return what each has for this one, by sender."""
        _check_parts(parts, self.world_size)
        device = parts[0].device
        leaving = [len(part) for part in parts]
        outbound = torch.cat([part.detach() for part in parts]).to(self._wire())
        announced = torch.tensor(leaving, device=outbound.device)
        coming = torch.empty_like(announced)
        with self._peers():
            dist.all_to_all_single(coming, announced, group=self._group)
        arriving = cast("list[int]", coming.tolist())
        inbound = outbound.new_empty((sum(arriving), *outbound.shape[1:]))
        with self._peers():
            dist.all_to_all_single(inbound, outbound, arriving, leaving, group=self._group)
        return list(torch.split(inbound.to(device), arriving))

    def _reduce(self, values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        # A copy at all events: what is reduced is overwritten.
        wire = values.detach().to(self._wire(), copy=True).contiguous()
        with self._peers():
            dist.all_reduce(wire, operation, group=self._group)
        return wire.to(values.device)

    def _wire(self) -> torch.device:
        only_gpus = dist.get_backend(self._group) == dist.Backend.NCCL
        return torch.device("cuda", torch.cuda.current_device()) if only_gpus else torch.device("cpu")

    @contextmanager
    def _peers(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise _lost(self, error) from error


def current() -> Processes:
    """Return the processes that this one works with: all of `torch.distributed` where it is up, else `SOLO`.

    Examples
    --------
    >>> current().world_size
    1
    """
    return TorchProcesses() if _is_up() else SOLO


@contextmanager
def all_or_none(processes: Processes) -> Iterator[None]:
    """Let an error that one process meets in the block end all of them: the others raise `ProcessLostError`.

    Without it they would wait for one that never comes. To be used where processes look at data of their own; nothing
    may be told to other processes within the block.

    Examples
    --------
    >>> with all_or_none(SOLO):
    ...     raise ValueError("bad data")
    Traceback (most recent call last):
    ...
    ValueError: bad data
    """
    fault: Exception | None = None
    try:
        yield
    except Exception as error:
        fault = error
    if processes.world_size > 1:
        faults = torch.zeros(processes.world_size)
        faults[processes.rank] = fault is not None
        others = processes.sum(faults).nonzero().flatten().tolist()
        if others and fault is None:
            raise ProcessLostError(
                f"Process {processes.rank} of {processes.world_size} stops, as {listing(others)} met an error: look in "
                "its output. Mend what it says and start all of them again."
            )
    if fault is not None:
        raise fault


@contextmanager
def watched(processes: Processes) -> Iterator[None]:
    """Let a connection that breaks in the block end it with `ProcessLostError`; every other error stays what it is.

    For code of others that talks to the processes itself, as torch does when it averages their gradients.

    Examples
    --------
    >>> with watched(SOLO):
    ...     raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    Traceback (most recent call last):
    ...
    RuntimeError: mat1 and mat2 shapes cannot be multiplied
    """
    try:
        yield
    except RuntimeError as error:
        # Gloo has no error of its own: its messages begin with its source file.
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise _lost(processes, error) from error


def _lost(processes: Processes, error: RuntimeError) -> ProcessLostError:
    return ProcessLostError(
        f"Process {processes.rank} of {processes.world_size} lost another one, or waited too long for it. Look in the "
        "others' output for the first error, then start all of them again: a run that keeps checkpoints goes "
        f"on from the last one. (The connection says: {str(error).splitlines()[0]})"
    )


def _is_up() -> bool:
    return dist.is_available() and dist.is_initialized()


def _check_parts(parts: Sequence[Tensor], world_size: int) -> None:
    if len(parts) != world_size:
        raise InvalidParameterError("parts", f"one tensor a process, {world_size} of them", len(parts))
    kinds = {(tuple(part.shape[1:]), part.dtype) if part.ndim else "a number" for part in parts}
    if len(kinds) > 1 or "a number" in kinds:
        raise InvalidParameterError("parts", "tensors of rows of one shape and type", sorted(map(str, kinds)))
