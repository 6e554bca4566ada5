"""Communication between the processes of one job: sums over all processes, and exchange of rows.

Code for several processes uses only the interface `Processes`. `SOLO` is the single process of an ordinary program;
`TorchProcesses` is a group of `torch.distributed`, whether torchrun, Lightning or a batch system started it. All
processes must make the same calls in the same order.
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
    """Processes that work together, numbered from 0, and the messages between them.

    Every method returns new tensors on the device of its arguments, and raises `ProcessLostError` if another process
    ends. Except for `exchange`, the results are the same bit for bit in every process.
    """

    @property
    def rank(self) -> int:
        """The number of this process."""

    @property
    def world_size(self) -> int:
        """The number of processes."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes, entry by entry; `values` has the same shape and type in each process."""

    def minimum(self, values: Tensor) -> Tensor:
        """Return the minimum over the processes, entry by entry; no entry may be NaN."""

    def maximum(self, values: Tensor) -> Tensor:
        """Return the maximum over the processes, entry by entry; no entry may be NaN."""

    def exchange(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Send `parts[r]` to process r, and return the parts that this process receives, ordered by sender.

        Each part has any number of rows, including zero. The rows have the same shape and type in all parts of all
        processes.
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
"""A single process."""


class TorchProcesses:
    """The processes of an initialised `torch.distributed` group: gloo on CPUs, nccl on GPUs.

    Parameters
    ----------
    group : ProcessGroup, optional
        The group; by default all processes.

    Raises
    ------
    InvalidParameterError
        If no process group is initialised, or this process is not a member of the group.

    Notes
    -----
    With nccl alone, tensors are sent from this process's current CUDA device, which must be a different device in each
    process. With gloo, tensors are sent from the memory of the CPU, whatever the device of the tensors.

    A process that dies closes its connections, and the next call of another process raises `ProcessLostError`
    immediately. A machine that loses its network closes no connection: the call then waits until the group's `timeout`
    (an argument of
    `torch.distributed.init_process_group`). Under nccl, the watchdog of nccl ends the waiting processes.

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
        if not _is_initialised():
            hint = "Call `torch.distributed.init_process_group` first, or use `deepgum.processes.SOLO`."
            raise InvalidParameterError("group", "an initialised group of `torch.distributed`", group, hint)
        rank = dist.get_rank(group)
        if rank < 0:
            raise InvalidParameterError("group", "a group that includes this process", group)
        self.rank, self.world_size = rank, dist.get_world_size(group)
        self._group = group

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def minimum(self, values: Tensor) -> Tensor:
        """Return the minimum over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.MIN)

    def maximum(self, values: Tensor) -> Tensor:
        """Return the maximum over the processes, entry by entry."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def exchange(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Send `parts[r]` to process r, and return the parts that this process receives, ordered by sender."""
        _check_parts(parts, self.world_size)
        device = parts[0].device
        leaving = [len(part) for part in parts]
        outbound = torch.cat([part.detach() for part in parts]).to(self._message_device())
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
        # Always a copy: `all_reduce` overwrites its argument.
        wire = values.detach().to(self._message_device(), copy=True).contiguous()
        with self._peers():
            dist.all_reduce(wire, operation, group=self._group)
        return wire.to(values.device)

    def _message_device(self) -> torch.device:
        only_gpus = dist.get_backend(self._group) == dist.Backend.NCCL
        return torch.device("cuda", torch.cuda.current_device()) if only_gpus else torch.device("cpu")

    @contextmanager
    def _peers(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise _process_lost(self, error) from error


def current() -> Processes:
    """Return all processes of `torch.distributed` if it is initialised, otherwise `SOLO`.

    Examples
    --------
    >>> current().world_size
    1
    """
    return TorchProcesses() if _is_initialised() else SOLO


@contextmanager
def all_or_none(processes: Processes) -> Iterator[None]:
    """Run a block so that an error in one process ends all processes: the other processes raise `ProcessLostError`.

    Without this, the other processes would wait forever for the process that failed. Use this function where processes
    check their own data. The block must not communicate with other processes.

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
                f"Process {processes.rank} of {processes.world_size} stops, because process {listing(others)} had an "
                "error. See the output of that process, correct the cause, and start all processes again."
            )
    if fault is not None:
        raise fault


@contextmanager
def watched(processes: Processes) -> Iterator[None]:
    """Run a block so that a broken connection raises `ProcessLostError`; other errors do not change.

    Use this function for code of other libraries that communicates by itself, such as torch when it averages gradients.

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
        # Gloo has no error class: its messages begin with the name of its source file.
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise _process_lost(processes, error) from error


def _process_lost(processes: Processes, error: RuntimeError) -> ProcessLostError:
    return ProcessLostError(
        f"Process {processes.rank} of {processes.world_size} lost another process, or waited too long for it. Find the "
        "first error in the output of the other processes, then start all processes again. A run with checkpoints "
        f"continues from the last checkpoint. (Message of the connection: {str(error).splitlines()[0]})"
    )


def _is_initialised() -> bool:
    return dist.is_available() and dist.is_initialized()


def _check_parts(parts: Sequence[Tensor], world_size: int) -> None:
    if len(parts) != world_size:
        raise InvalidParameterError("parts", f"one tensor for each of {world_size} processes", len(parts))
    kinds = {(tuple(part.shape[1:]), part.dtype) if part.ndim else "a number" for part in parts}
    if len(kinds) > 1 or "a number" in kinds:
        raise InvalidParameterError("parts", "tensors whose rows have the same shape and type", sorted(map(str, kinds)))
