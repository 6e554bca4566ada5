"""Machine-readable records of the epochs and rounds of a training."""

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
        Name of the loss, with the prefix "weighted " if the responsibilities were the weights of the labels in the
        loss.
    round : int
        Number of the round of Algorithm 1; 0 is the first fit. A training in one run of SGD has only the round 0.
    epoch : int
        Number of the epoch in its round; the first epoch is 1.
    train_loss : float
        Mean training loss over the batches of the epoch, in the unit of the loss.
    validation_score : float
        Score on the validation set; lower is better. Only scores of the same round are comparable.
    seconds : float
        Wall time of the epoch, including the validation.
    best : bool
        Whether the score is the best score of the round so far.
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
        Number of the round that gave the residuals; 0 is the first fit. With the schedule "interleaved", the number of
        the epoch.
    inlier_prior, log_uniform_density : tuple of float, (g,)
        pi and log gamma of each group.
    covariances : tuple of g matrices (k, k)
        Sigma of each group.
    flagged : tuple of int, (g,)
        For each group, the number of samples with a responsibility below 1/2.
    status : tuple of str, (g,)
        Status of EM in each group.
    em_iterations : int
        Number of EM iterations until the parameters were stable.
    round_score : float
        Score of the round; lower is better. Algorithm 1 ends when this score does not improve. NaN with the schedule
        "interleaved".
    seconds : float
        Wall time of EM and of the residuals that were computed for EM.
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
    """The event that a training resumes from a checkpoint. The history does not store this event.

    Attributes
    ----------
    round, epoch : int
        Round number and epoch number of the last completed epoch.
    epochs : int
        Number of completed epochs over all rounds.
    """

    round: int
    epoch: int
    epochs: int


Event = EpochRecord | RoundRecord | Resumed


@dataclass
class History:
    """The records of one training, in order of time.

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
        """Store a record, and call the function `listener` with the record."""
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
        """Load the records of a resumed training. Then call `listener` once, with a `Resumed`."""
        self.epochs[:] = [EpochRecord(**record) for record in state["epochs"]]
        self.rounds[:] = [RoundRecord(**record) for record in state["rounds"]]
        if self.epochs and self.listener is not None:
            last = self.epochs[-1]
            self.listener(Resumed(last.round, last.epoch, len(self.epochs)))

    def write_jsonl(self, path: str | Path) -> None:
        """Write the records to a file, atomically.

        Each line is a JSON object, `{"kind": "epoch", ...}` or `{"kind": "round", ...}`.
        """
        lines = [{"kind": "epoch", **asdict(record)} for record in self.epochs]
        lines += [{"kind": "round", **asdict(record)} for record in self.rounds]
        lines.sort(key=lambda line: (line["round"], line["kind"]))
        with write_atomically(Path(path)) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
