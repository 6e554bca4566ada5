"""The folder of a run: where each file is, whether it is finished, and how it is read again."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError
from deepgum.experiments.output import entries
from deepgum.storage.disk import remove_partial, write_atomically

if TYPE_CHECKING:
    from deepgum.data.sets.request import Subset
    from deepgum.experiments.runs.cells import Cell
    from deepgum.experiments.runs.tables import Posteriors, Predictions
    from deepgum.training import TrainingResult

__all__ = ["Examples", "Metrics", "RunFolder"]

_PICTURES = [
    f"{name}.{kind}" for name in ("history", "posteriors", "suspects", "predictions") for kind in ("png", "svg")
]
# What tells of a run that it was begun, and how far it came.
_BEGUN = ("config.toml", "environment.json", "checkpoint.safetensors")
_FILES = (
    "examples.npz",
    "history.jsonl",
    "network.json",
    "posteriors.parquet",
    "predictions.parquet",
    "weights.safetensors",
    *_PICTURES,
)


@dataclass(frozen=True)
class Metrics:
    """The scores of a run.

    MAE, RMSE and `each` (the MAE of every landmark or coordinate) are in `unit`, which is the targets' times `factor`;
    the other scores are those of `deepgum.experiments.paper.records.RunRecord`. `fold` is None where there is no
    cross-validation. `label` is that of a method that is a plug-in.
    """

    dataset: str
    method: str
    noise: str
    rate: float
    seed: int
    fold: int | None
    unit: str
    factor: float
    mae: float | None
    rmse: float | None
    each: dict[str, float | None]
    failure_rate: float | None
    nme: float | None
    precision: float | None
    recall: float | None
    average_precision: float | None
    recall_moved: float | None
    flagged: float | None
    epochs: int
    rounds: int
    seconds: float
    train_size: int
    validation_size: int
    test_size: int
    version: str
    key: str
    label: str = ""


@dataclass(frozen=True, eq=False)
class Examples:
    """Images that a run's pictures show.

    Attributes
    ----------
    suspects : array (k, c, h, w) of uint8
        The training samples least likely to be right, those first.
    suspect_ids : tuple of str
    given, predicted : arrays (k, d)
        Their labels as given, and what the network says, in the targets' unit.
    responsibilities : array (k,)
        The lowest of each sample's.
    tests : array (m, c, h, w) of uint8
        Test samples.
    test_predicted, test_labels : arrays (m, d)
        In the targets' unit.
    """

    suspects: NDArray[np.uint8]
    suspect_ids: tuple[str, ...]
    given: NDArray[np.float64]
    predicted: NDArray[np.float64]
    responsibilities: NDArray[np.float64]
    tests: NDArray[np.uint8]
    test_predicted: NDArray[np.float64]
    test_labels: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        clean: Subset,
        cell: Cell,
        result: TrainingResult,
        posteriors: Posteriors,
        predictions: Predictions,
        most: int,
        width: float = 1.0,
        factor: float = 1.0,
    ) -> Examples | None:
        """Choose what to show; None where the samples are no images."""
        if np.asarray(clean.train.inputs[:1]).ndim != 4:
            return None
        lowest = (
            np.zeros(0)
            if posteriors.responsibilities is None
            else np.nanmin(posteriors.responsibilities, axis=1, initial=1.0)
        )
        order = np.argsort(lowest, kind="stable")[:most]
        given = cell.train.targets.double().numpy()[order]
        predicted = given - result.residuals.double().numpy()[order]
        if np.isnan(predicted).any():
            # What has no label has no residual either, and is predicted for all the same.
            from deepgum.residuals import predict

            said = predict(result.model, cell.train.subset(order)).double().numpy()
            predicted = np.where(np.isnan(predicted), said, predicted)
        shown = slice(0, most)
        return cls(
            suspects=np.asarray(clean.train.inputs)[order],
            suspect_ids=tuple(cell.train.ids[row] for row in order),
            given=given / width,
            predicted=predicted / width,
            responsibilities=lowest[order],
            tests=np.asarray(clean.test.inputs[shown]),
            test_predicted=predictions.predicted[shown] / (factor * width),
            test_labels=predictions.labels[shown] / (factor * width),
        )

    def write(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        with write_atomically(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> Examples:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If there is no such file, or it is not one of `write`'s.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {f.name: arrays[f.name] for f in fields(cls)}
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InvalidDataError(f"'{path}' should hold the images of a run. It cannot be read: {error}.") from error
        return cls(**{**values, "suspect_ids": tuple(values["suspect_ids"].tolist())})


class RunFolder:
    """Where a run keeps what it made.

    Parameters
    ----------
    path : Path
        Need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.environment = path / "environment.json"
        self.checkpoint = path / "checkpoint.safetensors"
        self.metrics_file = path / "metrics.json"
        self.posteriors = path / "posteriors.parquet"
        self.predictions = path / "predictions.parquet"
        self.history_file = path / "history.jsonl"
        self.examples = path / "examples.npz"

    def foreign(self) -> list[str]:
        """Return the names of files and folders there that no run writes."""
        known = (*_BEGUN, *_FILES)
        return [name for name in entries(self.path) if name not in known or not (self.path / name).is_file()]

    def begun_in(self) -> dict[str, Any]:
        """Return the environment that the run was begun in; nothing where that cannot be read."""
        try:
            found = json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def claim(self) -> None:
        """Make room for a run that begins or goes on; what one that was not finished left there is removed.

        How far it came is not.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        remove_partial(self.path)

    def finish(self, metrics: Metrics) -> None:
        """Write the scores: from here on the run is done."""
        values = {name: value for name, value in asdict(metrics).items() if value or name != "label"}
        with write_atomically(self.metrics_file) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def metrics(self) -> Metrics:
        """Return the scores.

        Raises
        ------
        InvalidDataError
            If the run is not finished.
        """
        try:
            return Metrics(**json.loads(self.metrics_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidDataError(f"'{self.path}' should be the folder of a finished run. {error}.") from error

    def history(self) -> tuple[list[Any], list[Any]]:
        """Return the epochs and the rounds of the training, with the attributes of `EpochRecord` and `RoundRecord`.

        Raises
        ------
        InvalidDataError
            If they are not there.
        """
        of: dict[str, list[Any]] = {"epoch": [], "round": []}
        try:
            for line in self.history_file.read_text(encoding="utf-8").splitlines():
                values = json.loads(line)
                of[values.pop("kind")].append(SimpleNamespace(**values))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidDataError(f"'{self.history_file}' cannot be read: {error}.") from error
        return of["epoch"], of["round"]
