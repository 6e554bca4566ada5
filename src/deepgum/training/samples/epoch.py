"""The residuals of one epoch, collected batch by batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.training.samples.owners import Owners

__all__ = ["Epoch"]


class Epoch:
    """The residuals of the current epoch so far.

    Parameters
    ----------
    n_samples : int
        Number of training samples.
    mirror : Mirror, optional
        Mirroring of the labels. The residuals of mirrored samples are mirrored back.
    """

    def __init__(self, n_samples: int, mirror: Mirror | None = None) -> None:
        self.n_samples, self.mirror = n_samples, mirror
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def began(self) -> bool:
        """Whether the epoch has any residuals."""
        return bool(self._parts)

    def add(
        self, index: Tensor, residuals: Tensor, targets: Tensor | None = None, mirrored: Tensor | None = None
    ) -> None:
        """Store residuals (b, d) of samples (b,).

        If targets (b, d) are given, the method also checks that no index stands for two different samples.
        """
        labels = residuals.new_zeros(len(index), dtype=torch.int64) if targets is None else _fingerprint(targets)
        if mirrored is not None:
            if self.mirror is None:
                raise InvalidParameterError("mirrored", "left out, because the tracker has no `mirror`", mirrored)
            mirrored = mirrored.to(residuals.device)
            residuals = torch.where(mirrored[:, None], self.mirror.residuals(residuals), residuals)
            # Mirroring rounds, so the bits of a mirrored label do not identify the label.
            labels = labels.masked_fill(mirrored, 0)
        if len(index.unique()) < len(index):  # type: ignore[no-untyped-call]
            _refuse_shared(index, labels.cpu())
        # Keep the tensors on an accelerator until the epoch ends, because a copy would delay the next step.
        self._parts.append((index, residuals, labels))

    def state_dict(self) -> dict[str, Tensor] | None:
        """Return the stored residuals as tensors; None if no residuals are stored."""
        if not self._parts:
            return None
        index, residuals, labels = _join(self._parts)
        return {"index": index, "residuals": residuals, "labels": labels}

    def load_state_dict(self, state: Mapping[str, Tensor] | None) -> None:
        """Restore the residuals of an epoch from its `state_dict`."""
        self._parts = [] if state is None else [(state["index"], state["residuals"], state["labels"])]

    def close(self, owners: Owners) -> tuple[Tensor, Tensor]:
        """Return the pair (index, residuals) of the samples of this process, and discard all stored residuals.

        The shapes are (c,) and (c, d). If a sample occurs more than once, its last residuals are returned.
        """
        parts, self._parts = self._parts, []
        if not parts:
            raise InvalidDataError(
                "`update` should be called after `loss` or `record`. Found no residuals since the last `update`."
            )
        index, residuals, labels = owners.deliver(*_join(parts))
        order = index.argsort(stable=True)
        index, residuals, labels = index[order], residuals[order], labels[order]
        _refuse_shared(index, labels)
        last = torch.ones_like(index, dtype=torch.bool)
        last[:-1] = index[1:] != index[:-1]
        return index[last], residuals[last]


def _join(parts: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat([part.cpu() for part in each]) for each in zip(*parts, strict=True))


def _fingerprint(targets: Tensor) -> Tensor:
    """Return a hash (b,) of each row of labels. The hash is never 0, because 0 stands for unknown labels."""
    bits = targets.detach().contiguous().view(torch.int32).to(torch.int64)
    odd = 2 * torch.arange(targets.shape[1], dtype=torch.int64, device=targets.device) + 0x9E3779B97F4A7C15 % 2**62
    mixed = ((bits + 0x5851F42D) * odd).sum(dim=1)
    return torch.where(mixed == 0, 1, mixed)


def _refuse_shared(index: Tensor, labels: Tensor) -> None:
    """Refuse an index that occurs with two different labels; a repeated index with the same labels is correct."""
    known = (labels != 0).nonzero().flatten()
    # Sort by sample and compare neighbours; this takes a tenth of the time of `unique` on pairs.
    order = known[index[known].argsort(stable=True)]
    index, labels = index[order], labels[order]
    clash = (index[1:] == index[:-1]) & (labels[1:] != labels[:-1])
    shared = sorted(set(index[1:][clash].tolist()))
    if shared:
        raise InvalidDataError(
            f"An index should stand for one sample. Found different labels for the indices {listing(shared)}. Wrap the "
            "whole data set in `deepgum.IndexedDataset`, not its parts before you concatenate them. If an augmentation "
            "moves the labels, and a sampler draws samples several times per epoch: "
            "`ResponsibilityTracker(..., labels_vary=True)`."
        )
