"""The residuals of one epoch as they come in, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.training.samples.owners import Owners

__all__ = ["Epoch"]


class Epoch:
    """What the forward passes of an epoch have made so far.

    Parameters
    ----------
    n_samples : int
    mirror : Mirror, optional
        By which residuals of mirrored samples are put back.
    """

    def __init__(self, n_samples: int, mirror: Mirror | None = None) -> None:
        self.n_samples, self.mirror = n_samples, mirror
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def began(self) -> bool:
        """Whether anything was added."""
        return bool(self._parts)

    def add(
        self, index: Tensor, residuals: Tensor, targets: Tensor | None = None, mirrored: Tensor | None = None
    ) -> None:
        """Keep residuals (b, d) of samples (b,); targets (b, d) tell samples apart that share an index."""
        labels = residuals.new_zeros(len(index), dtype=torch.int64) if targets is None else _fingerprint(targets)
        if mirrored is not None:
            if self.mirror is None:
                raise InvalidParameterError("mirrored", "left out: no `mirror` was given to the tracker", mirrored)
            mirrored = mirrored.to(residuals.device)
            residuals = torch.where(mirrored[:, None], self.mirror.residuals(residuals), residuals)
            # Mirrored twice, a label is the same up to rounding, and so not known by its bits.
            labels = labels.masked_fill(mirrored, 0)
        if len(index.unique()) < len(index):  # type: ignore[no-untyped-call]
            _refuse_shared(index, labels.cpu())
        # What is on an accelerator stays there until the epoch ends: a copy would make the next step wait.
        self._parts.append((index, residuals, labels))

    def state_dict(self) -> dict[str, Tensor] | None:
        """Return what has come in so far, as tensors; None if that is nothing."""
        if not self._parts:
            return None
        index, residuals, labels = _joined(self._parts)
        return {"index": index, "residuals": residuals, "labels": labels}

    def load_state_dict(self, state: Mapping[str, Tensor] | None) -> None:
        """Go on within the epoch whose `state_dict` this is."""
        self._parts = [] if state is None else [(state["index"], state["residuals"], state["labels"])]

    def close(self, owners: Owners) -> tuple[Tensor, Tensor]:
        """Return the samples (c,) that this process owns and their residuals (c, d), and forget them.

        Of a sample that came more than once the last one is the one that counts.
        """
        parts, self._parts = self._parts, []
        if not parts:
            raise InvalidDataError(
                "`update` should end an epoch in which `loss` was called, or `record`. Found no residuals at all."
            )
        index, residuals, labels = owners.deliver(*_joined(parts))
        order = index.argsort(stable=True)
        index, residuals, labels = index[order], residuals[order], labels[order]
        _refuse_shared(index, labels)
        last = torch.ones_like(index, dtype=torch.bool)
        last[:-1] = index[1:] != index[:-1]
        return index[last], residuals[last]


def _joined(parts: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat([part.cpu() for part in each]) for each in zip(*parts, strict=True))


def _fingerprint(targets: Tensor) -> Tensor:
    """Return a number (b,) for each row that differs where the labels do; 0 is left for rows that are not known."""
    bits = targets.detach().contiguous().view(torch.int32).to(torch.int64)
    odd = 2 * torch.arange(targets.shape[1], dtype=torch.int64, device=targets.device) + 0x9E3779B97F4A7C15 % 2**62
    mixed = ((bits + 0x5851F42D) * odd).sum(dim=1)
    return torch.where(mixed == 0, 1, mixed)


def _refuse_shared(index: Tensor, labels: Tensor) -> None:
    """Refuse an index that comes with two different labels; a sampler may well draw a sample twice."""
    known = (labels != 0).nonzero().flatten()
    # Sorted by sample, the labels of one stand side by side: a tenth of the time of asking for unique pairs.
    order = known[index[known].argsort(stable=True)]
    index, labels = index[order], labels[order]
    clash = (index[1:] == index[:-1]) & (labels[1:] != labels[:-1])
    shared = sorted(set(index[1:][clash].tolist()))
    if shared:
        raise InvalidDataError(
            f"An index should stand for one sample. Found {len(shared)} that come with different labels: "
            f"{listing(shared)}. Wrap the whole data set in `deepgum.IndexedDataset`, not its parts before they are "
            "put together; where labels are changed at random, call `loss` on each sample once an epoch."
        )
