"""What happened in a training, epoch by epoch and round by round, as records that a machine can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepgum.storage.disk import write_atomically

__all__ = ["EpochRecord", "Event", "History", "Resumed", "RoundRecord"]


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of SGD.

    Attributes
    ----------
    phase : str
        What was minimised: the loss's name, "weighted " before it where responsibilities weighted it.
    round : int
        0 for the first fit, or all of a training in one run; then the round of Algorithm 1.
    epoch : int
        From 1 in each round.
    train_loss : float
        Mean over the epoch's batches, in the units of the loss.
    validation_score : float
        Lower is better; comparable within a round.
    seconds : float
        Wall time of the epoch, validation included.
    best : bool
        Whether this epoch's score is the best of its round so far.
    """

    phase: str
    round: int
    epoch: int
    train_loss: float
    validation_score: float
    seconds: float
    best: bool


@dataclass(frozen=True)
class RoundRecord:
    """One fit of the mixture, after a round of SGD or after an epoch.

    Attributes
    ----------
    round : int
        The round of SGD whose residuals were fitted; 0 is the first fit. Interleaved, the epoch.
    inlier_prior, log_uniform_density : tuple of float, (g,)
        pi and log gamma.
    covariances : tuple of matrices, (g,) times (k, k)
        Sigma of each group.
    flagged : tuple of int, (g,)
        Samples whose responsibility is below 1/2.
    status : tuple of str, (g,)
        How EM ended in each group.
    em_iterations : int
        Until the parameters were stable.
    round_score : float
        What decides whether to go on; lower is better. NaN where nothing is decided by it.
    seconds : float
        Wall time of residuals and EM.
    """

    round: int
    inlier_prior: tuple[float, ...]
    log_uniform_density: tuple[float, ...]
    covariances: tuple[tuple[tuple[float, ...], ...], ...]
    flagged: tuple[int, ...]
    status: tuple[str, ...]
    em_iterations: int
    round_score: float
    seconds: float


@dataclass(frozen=True)
class Resumed:
    """A training goes on from a checkpoint; its listener hears of it, and no history keeps it.

    Attributes
    ----------
    round, epoch : int
        Of the last epoch that was completed.
    epochs : int
        Completed over all rounds.
    """

    round: int
    epoch: int
    epochs: int


Event = EpochRecord | RoundRecord | Resumed


@dataclass
class History:
    """Records of one training, in the order in which they came.

    Examples
    --------
    >>> history = History()
    >>> history.add(EpochRecord("l2", 0, 1, 0.5, 0.6, 0.1, best=True))
    >>> len(history.epochs), len(history.rounds)
    (1, 0)
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    rounds: list[RoundRecord] = field(default_factory=list)
    listener: Callable[[Event], None] | None = field(default=None, repr=False, compare=False)

    def add(self, event: EpochRecord | RoundRecord) -> None:
        """Keep a record, and pass it on to the listener."""
        if isinstance(event, EpochRecord):
            self.epochs.append(event)
        else:
            self.rounds.append(event)
        if self.listener is not None:
            self.listener(event)

    def state_dict(self) -> dict[str, Any]:
        """Return the records as nested plain values."""
        return {
            "epochs": [asdict(record) for record in self.epochs],
            "rounds": [asdict(record) for record in self.rounds],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the records of a training that goes on; the listener hears of that, and of no old record again."""
        self.epochs[:] = [EpochRecord(**record) for record in state["epochs"]]
        self.rounds[:] = [RoundRecord(**record) for record in state["rounds"]]
        if self.epochs and self.listener is not None:
            last = self.epochs[-1]
            self.listener(Resumed(last.round, last.epoch, len(self.epochs)))

    def write_jsonl(self, path: str | Path) -> None:
        """Write one JSON object per line, `{"kind": "epoch", ...}` or `{"kind": "round", ...}`, atomically."""
        lines = [{"kind": "epoch", **asdict(record)} for record in self.epochs]
        lines += [{"kind": "round", **asdict(record)} for record in self.rounds]
        lines.sort(key=lambda line: (line["round"], line["kind"]))
        with write_atomically(Path(path)) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
