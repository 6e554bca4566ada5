"""Which process keeps what belongs to a sample, and how it gets there and back."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, listing
from deepgum.processes import Processes

__all__ = ["Ahead", "Owners", "shares"]


def shares(n_samples: int, processes: Processes) -> Tensor:
    """Return the samples (m,) that are this process's own.

    They are dealt out like cards: sample i belongs to process i modulo the number of processes.

    Examples
    --------
    >>> from deepgum.processes import SOLO
    >>> shares(3, SOLO)
    tensor([0, 1, 2])
    """
    return torch.arange(processes.rank, n_samples, processes.world_size)


class Owners:
    """What is known of samples 0 ... n - 1, kept by the processes whose `shares` they are.

    A sampler may show a sample to any process; what is learned of it is handed to the one that owns it, and asked for
    there when it is needed again. Nothing is ever gathered in one place.

    Parameters
    ----------
    n_samples : int
    processes : Processes

    Attributes
    ----------
    index : Tensor (m,) of int64
        The samples that this process owns; row j of what it keeps belongs to sample index[j].

    Examples
    --------
    >>> from deepgum.processes import SOLO
    >>> owners = Owners(3, SOLO)
    >>> owners.index
    tensor([0, 1, 2])
    >>> owners.fetch(torch.tensor([2, 0]), torch.tensor([[1.0], [2.0], [3.0]])).flatten()
    tensor([3., 1.])
    """

    def __init__(self, n_samples: int, processes: Processes) -> None:
        self.processes = processes
        self.index = shares(n_samples, processes)

    def rows(self, index: Tensor) -> Tensor:
        """Return where on its owner each sample (b,) is kept."""
        return index // self.processes.world_size

    def deliver(self, index: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        """Hand rows to their owners; return what comes here: samples (c,), and of each table their rows (c, ...).

        All processes call it together; tables are on the CPU.
        """
        if self.processes.world_size == 1:
            return (index, *tables)
        to = self._by_owner(index)
        return tuple(torch.cat(self.processes.exchange([table[each] for each in to])) for table in (index, *tables))

    def fetch(self, index: Tensor, table: Tensor) -> Tensor:
        """Return rows (b, ...) for samples (b,), wherever they are kept; `table` is this process's part.

        All processes call it together, each with as many samples as it likes.
        """
        if self.processes.world_size == 1:
            return table[index]
        to = self._by_owner(index)
        asked = self.processes.exchange([index[each] for each in to])
        answers = self.processes.exchange([table[self.rows(each)] for each in asked])
        found = table.new_empty((len(index), *table.shape[1:]))
        found[torch.cat(to)] = torch.cat(answers)
        return found

    def _by_owner(self, index: Tensor) -> list[Tensor]:
        owner = index % self.processes.world_size
        return [(owner == rank).nonzero().flatten() for rank in range(self.processes.world_size)]


class Ahead:
    """Rows of samples, fetched before they are needed.

    Parameters
    ----------
    index : Tensor (b,) of int64
        The samples.
    rows : Tensor (b, ...)

    Examples
    --------
    >>> Ahead(torch.tensor([7, 2]), torch.tensor([[0.7], [0.2]])).rows(torch.tensor([2, 2, 7])).flatten()
    tensor([0.2000, 0.2000, 0.7000])
    """

    def __init__(self, index: Tensor, rows: Tensor) -> None:
        self._index, order = index.sort()
        self._rows = rows[order]

    def rows(self, index: Tensor) -> Tensor:
        """Return the rows (c, ...) of some of the samples.

        Raises
        ------
        InvalidDataError
            If one is not among them.
        """
        place = torch.searchsorted(self._index, index).clamp_max(len(self._index) - 1)
        others = index[self._index[place] != index].tolist()
        if others:
            raise InvalidDataError(
                f"`expect` should be told of all samples of the epoch. Found {len(others)} that it was not: "
                f"{listing(others)}. Call it on all of them after `update`, or leave it out."
            )
        return self._rows[place]
