"""The folder of a run: the paths of the files in the folder, and methods that read the files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from deepgum.errors import InvalidDataError
from deepgum.experiments.output import entries
from deepgum.experiments.runs.metrics import Metrics
from deepgum.storage.decoding import decoding, json_object, read_json
from deepgum.storage.disk import remove_partial, write_atomically
from deepgum.storage.nested import build

__all__ = ["RunFolder"]

_PICTURES = [
    f"{name}.{kind}" for name in ("history", "posteriors", "suspects", "predictions") for kind in ("png", "svg")
]
# Files of an unfinished run. `metrics.json` is not included, because it marks a run as finished.
_STARTED = ("config.toml", "content.parquet", "environment.json", "checkpoint.safetensors")
# Files that a run writes at its end.
_RESULTS = (
    "examples.npz",
    "history.jsonl",
    "network.json",
    "posteriors.parquet",
    "predictions.parquet",
    "weights.safetensors",
    *_PICTURES,
)


class RunFolder:
    """The files of a run.

    Parameters
    ----------
    path : Path
        The folder, which need not exist yet.

    Attributes
    ----------
    config : Path
        `config.toml`: the configuration, with all defaults.
    content : Path
        `content.parquet`: the content of the samples; see `deepgum.data.content`.
    environment : Path
        `environment.json`: versions of packages, device, number of threads, and the time at which the run started.
    checkpoint : Path
        `checkpoint.safetensors`: the state of an unfinished training.
    metrics_file : Path
        `metrics.json`: the scores. This file is written last, so it exists only if the run is finished.
    posteriors, predictions, history_file, examples : Path
        Files of results; see `Posteriors`, `Predictions`, `History` and `Examples`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.content = path / "content.parquet"
        self.environment = path / "environment.json"
        self.checkpoint = path / "checkpoint.safetensors"
        self.metrics_file = path / "metrics.json"
        self.posteriors = path / "posteriors.parquet"
        self.predictions = path / "predictions.parquet"
        self.history_file = path / "history.jsonl"
        self.examples = path / "examples.npz"

    @property
    def own_files(self) -> tuple[Path, ...]:
        """The files that a run writes. They need not exist."""
        return tuple(self.path / name for name in (*_STARTED, *_RESULTS, self.metrics_file.name))

    def foreign(self) -> list[str]:
        """Return the names of the files and folders in this folder that were not written by a run."""
        known = (*_STARTED, *_RESULTS)
        return [name for name in entries(self.path) if name not in known or not (self.path / name).is_file()]

    def begun_in(self) -> dict[str, Any]:
        """Return the environment in which the run was started, or an empty mapping if the file cannot be read."""
        with suppress(InvalidDataError):
            return read_json(self.environment, "the environment of a run")
        return {}

    def claim(self) -> None:
        """Prepare the folder for a new or resumed run: remove results and temporary files, but not the checkpoint."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in _RESULTS:
            (self.path / name).unlink(missing_ok=True)
        remove_partial(self.path)

    def finish(self, metrics: Metrics) -> None:
        """Write the scores. The file of the scores marks the run as finished."""
        with write_atomically(self.metrics_file) as temporary:
            temporary.write_text(json.dumps(asdict(metrics), indent=2) + "\n", encoding="utf-8")

    def metrics(self) -> Metrics:
        """Return the scores of a finished run.

        Raises
        ------
        InvalidDataError
            If the run is not finished.
        """
        with decoding(self.path, "the folder of a finished run"):
            metrics: Metrics = build(Metrics, json_object(self.metrics_file.read_text(encoding="utf-8")))
            return metrics

    def history(self) -> tuple[list[Any], list[Any]]:
        """Return the epochs and the rounds of the training, with the attributes of `EpochRecord` and `RoundRecord`.

        Raises
        ------
        InvalidDataError
            If the file of the history cannot be read.
        """
        records: dict[str, list[Any]] = {"epoch": [], "round": []}
        with decoding(self.history_file, "the history of a run"):
            for line in self.history_file.read_text(encoding="utf-8").splitlines():
                values = json.loads(line)
                records[values.pop("kind")].append(SimpleNamespace(**values))
        return records["epoch"], records["round"]
