"""Distribution of per-sample data over processes: the owner process of a sample stores the sample's rows."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, listing
from deepgum.processes import Processes

__all__ = ["Owners", "PrefetchedRows", "own_samples"]


def own_samples(n_samples: int, processes: Processes) -> Tensor:
    """Return the indices (m,) of the samples that this process owns.

    Process i modulo P owns sample i, where P is the number of processes.

    Examples
    --------
    >>> from deepgum.processes import SOLO
    >>> own_samples(3, SOLO)
    tensor([0, 1, 2])
    """
    return torch.arange(processes.rank, n_samples, processes.world_size)


class Owners:
    """The owner processes of samples 0 to n - 1, and the exchange of rows with the owners.

    A sampler may give a sample to any process. That process sends the sample's rows to the owner, and fetches the rows
    from the owner when it needs them. No process ever stores the rows of all samples.

    Parameters
    ----------
    n_samples : int
        n, the number of samples.
    processes : Processes
        The processes that share the samples.

    Attributes
    ----------
    index : Tensor (m,) of int64
        The samples that this process owns. Row j of this process's tables belongs to sample index[j].

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
        self.index = own_samples(n_samples, processes)

    def rows(self, index: Tensor) -> Tensor:
        """Return the row number (b,) of each sample in the tables of its owner."""
        return index // self.processes.world_size

    def deliver(self, index: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        """Send the rows (b, ...) of samples (b,) to their owners, and return the rows that this process receives.

        Each table in `tables` has one row per sample of `index`. The result is a tuple: the indices (c,) of the
        received samples, and for each table the received rows (c, ...). All processes must call this method together,
        with tables on the CPU.
        """
        if self.processes.world_size == 1:
            return (index, *tables)
        parts = self._by_owner(index)
        return tuple(torch.cat(self.processes.exchange([table[part] for part in parts])) for table in (index, *tables))

    def fetch(self, index: Tensor, table: Tensor) -> Tensor:
        """Return the rows (b, ...) of samples (b,) from their owners; `table` has the rows of this process.

        All processes must call this method together. The number of samples can differ between processes.
        """
        if self.processes.world_size == 1:
            return table[index]
        parts = self._by_owner(index)
        requests = self.processes.exchange([index[part] for part in parts])
        answers = self.processes.exchange([table[self.rows(request)] for request in requests])
        fetched = table.new_empty((len(index), *table.shape[1:]))
        fetched[torch.cat(parts)] = torch.cat(answers)
        return fetched

    def _by_owner(self, index: Tensor) -> list[Tensor]:
        """Return, for each process, the positions in `index` of the samples that this process owns."""
        owner = index % self.processes.world_size
        return [(owner == rank).nonzero().flatten() for rank in range(self.processes.world_size)]


class PrefetchedRows:
    """Rows of samples that were fetched from other processes before the batches need the rows.

    Parameters
    ----------
    index : Tensor (b,) of int64
        The samples.
    rows : Tensor (b, ...)

    Examples
    --------
    >>> PrefetchedRows(torch.tensor([7, 2]), torch.tensor([[0.7], [0.2]])).rows(torch.tensor([2, 2, 7])).flatten()
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
            If the rows of a sample were not fetched.
        """
        place = torch.searchsorted(self._index, index).clamp_max(len(self._index) - 1)
        others = index[self._index[place] != index].tolist()
        if others:
            raise InvalidDataError(
                f"`expect` should get all samples of the epoch. Found {len(others)} other samples: {listing(others)}. "
                "Call `expect` with all samples of the epoch after `update`, or do not call it."
            )
        return self._rows[place]
