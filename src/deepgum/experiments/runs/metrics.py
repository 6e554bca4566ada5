"""The scores of a run, which are in the file `metrics.json`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Metrics"]


@dataclass(frozen=True)
class Metrics:
    """The scores of a run.

    Attributes
    ----------
    dataset, method, noise, rate, seed
        Settings that identify the run.
    fold : int or None
        Number of the fold that is the test set. None if the data set has no folds.
    unit : str
        Unit of the errors.
    factor : float
        Factor that converts errors from the targets' unit to `unit`.
    mae, rmse : float or None
        Errors on the clean test set, in `unit`.
    each : dict of str to float or None
        MAE of every landmark or coordinate, in `unit`.
    failure_rate, nme, precision, recall, average_precision, recall_moved, flagged : float or None
        See `deepgum.experiments.paper.records.RunRecord`.
    epochs, rounds : int
    seconds : float
    train_size, validation_size, test_size : int
        Numbers of samples.
    version : str
        Version of deepgum with which the network was trained.
    key : str
        The key of the run; see `deepgum.experiments.runs.key`.
    content : str
        Digest of the samples; see `deepgum.data.content`. It is empty for a run of version 0.1.0.
    verdict : str
        What the mixture and the test predictions tell about labels and network, and what to try next. It is empty for
        a run of version 0.2.0 or before.
    label : str
        Label of a plug-in method for figures and tables.
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
    content: str = ""
    verdict: str = ""
