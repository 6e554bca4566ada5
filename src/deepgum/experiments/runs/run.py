"""A run, from its configuration to its folder. A finished run is only read, and not trained again."""

from __future__ import annotations

import json
import platform
import time
import warnings
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from deepgum._version import __version__
from deepgum.audit.predictions import check_group, rows_to_check
from deepgum.data.content import Content
from deepgum.errors import DeepGUMWarning, differences
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.cells import Cell, make_cell
from deepgum.experiments.runs.claim import is_done, recorded_config
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import write_config
from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.metrics import Metrics
from deepgum.experiments.runs.network import Network, Signature, save_network
from deepgum.experiments.runs.run_data import Data
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.scoring import score_run
from deepgum.experiments.runs.tables import Posteriors, Predictions
from deepgum.experiments.runs.title import Title
from deepgum.experiments.runs.verdict import training_verdict
from deepgum.experiments.same_data import check_finished, check_same_data
from deepgum.models import HEADS, build_model
from deepgum.storage.disk import remove_abandoned, write_atomically
from deepgum.storage.lock import alone_in
from deepgum.training import (
    METHODS,
    TrainingResult,
    check_device,
    check_method,
    check_network,
    get_method,
    train_method,
)

__all__ = ["environment", "run"]

SHOWN = 40
"""Number of images that are kept, of training samples (with the lowest posteriors) and of test samples."""


def run(
    config: RunConfig, out: Path, observer: Observer | None = None, data: Data | None = None, number: int = 1
) -> RunFolder:
    """Train the configured network, write the folder of the run, and return this folder. If the run is finished, only
    return the folder.

    The folder holds `config.toml` (with all defaults), `environment.json`, `history.jsonl`, `metrics.json`,
    `posteriors.parquet`, `predictions.parquet` (for the test set), `network.json` and `weights.safetensors`, and for
    images `examples.npz`. `metrics.json` is written last. Until the end, `checkpoint.safetensors` holds the state of
    the training, so that an interrupted run continues after its last completed epoch. A continued run has the same
    files as an uninterrupted run, except for wall times.

    Parameters
    ----------
    config : RunConfig
    out : Path
        A new folder, an empty folder, or the folder of a run with the same configuration.
    observer : Observer, optional
        Its methods are called at every step.
    data : Data, optional
        A cache that several runs share, so that successive runs on the same data read the data only once.
    number : int
        Number of this run among several runs, counted from 1, for the observer.

    Raises
    ------
    OutputFolderError
        If `out` holds other files, or results of other data, or if another process trains in `out`.
    CheckpointError
        If the checkpoint in `out` is damaged or was written by an earlier version, or if the data have changed since
        the checkpoint was written.
    InvalidDataError, InvalidParameterError
        If the data or the network cannot be used. This is checked before any training, and no file is written.
    """
    observer, data, folder = observer or Observer(), data or Data(), RunFolder(out)
    if not is_done(folder, config):
        with alone_in(out):
            if not is_done(folder, config):  # another process may have finished it meanwhile
                _run(config, folder, observer, data, number)
                folder.checkpoint.unlink(missing_ok=True)
                return folder
    before = recorded_config(folder, config) or config
    read, dataset = partial(data.content, config, observer), config.data.dataset
    # The key of a run contains the bytes of a table.
    keyed = dataset.is_file and not config.data.has_images
    check_finished(out, "run", folder.content, before.data, config.data, read, keyed=keyed)
    # A process may be killed after it wrote the scores: here, or while it draws pictures into the folder.
    folder.checkpoint.unlink(missing_ok=True)
    remove_abandoned(folder.path)
    return folder


def _run(config: RunConfig, folder: RunFolder, observer: Observer, data: Data, number: int) -> None:
    check_device(config.training.device)
    config.model.check_weights("model.weights")
    dataset = config.data.dataset
    clean = data.subset(config, observer)
    content, resumed = data.content(config, observer), folder.checkpoint.is_file()
    if resumed and folder.content.is_file():
        check_same_data(folder.path, "run", Content.read(folder.content), content)
    network = data.network(config, clean, observer)
    noise, points = config.corruption, config.measure.landmarks
    cell = make_cell(network.subset, noise.noise, noise.rate, config.seed, missing=noise.missing, landmarks=points)
    changes = config.method.changes or None
    check_method(config.method.name, cell.train, cell.validation, config.groups, changes)  # type: ignore[arg-type]
    method = get_method(config.method.name)
    head = method.head
    check_network(build_model(network.build, cell.train, config.seed, head), cell.train, config.training)
    folder.claim()
    now = environment(config.training.device)
    if resumed:
        now = _resumed_environment(folder, now)
    else:
        write_config(config, folder.config)
        content.write(folder.content)
        _write_environment(folder, now)
    title = Title.of(config)
    observer.run_started(title, number)
    result = _train(config, cell, network, observer, folder.checkpoint)
    if resumed:
        # Only after the training: if the checkpoint is of an earlier version, it is refused and the folder stays
        # unchanged.
        content.write(folder.content)
        write_config(config, folder.config)
        _write_environment(folder, now)
    measure = config.measure
    scores, posteriors, predictions = score_run(result, cell, config.groups, config.training, measure)
    metrics = Metrics(
        dataset=dataset.name,
        method=config.method.name,
        noise=config.corruption.noise,
        rate=config.corruption.rate,
        seed=config.seed,
        fold=config.data.fold if dataset.folds else None,
        unit=measure.unit,
        factor=measure.factor,
        each=predictions.each(landmarks=measure.landmarks),
        **asdict(scores),
        epochs=result.epochs,
        rounds=len(result.history.rounds),
        seconds=round(result.seconds, 3),
        train_size=len(cell.train),
        validation_size=len(cell.validation),
        test_size=len(cell.test),
        version=__version__,
        key=config.digest,
        label="" if config.method.name in METHODS else method.label,
        content=content.digest,
        verdict=_verdict(result, posteriors, predictions, scores.flagged),
    )
    result.history.write_jsonl(folder.history_file)
    posteriors.write(folder.posteriors, method=config.method.name, key=config.digest)
    predictions.write(folder.predictions)
    examples = Examples.of(clean, cell, result, posteriors, predictions, SHOWN, clean.width, measure.factor)
    if examples is not None:
        examples.write(folder.examples)
    whole = network.whole(result.model)
    outputs = HEADS[head].n_outputs(cell.train.targets)
    pictures = clean.train.pictures
    ranges = {} if pictures is None else dict(pictures.reading.ranges)
    shape, names = tuple(clean.train.inputs.shape[1:]), clean.train.target_names
    signature = Signature(shape, names, head, outputs, ranges, clean.train.encoding)
    save_network(whole, signature, folder.path)
    folder.finish(metrics)
    observer.run_finished(title, metrics)


def _verdict(result: TrainingResult, posteriors: Posteriors, predictions: Predictions, flagged: float | None) -> str:
    """Return the verdict on a training: on its mixture, and on its predictions for the test samples."""
    rows = rows_to_check(*predictions.labels.shape)
    fault = check_group(predictions.labels[rows], predictions.predicted[rows], predictions.names)
    status = None if result.mixture is None else result.mixture.status_
    if result.verdict is not None:
        status = result.verdict.status
    return training_verdict(status, posteriors.group_names, flagged, fault)


def _train(config: RunConfig, cell: Cell, network: Network, observer: Observer, checkpoint: Path) -> TrainingResult:
    return train_method(
        config.method.name,
        cell.train,
        cell.validation,
        true_outlier=cell.corruption.outlier,
        validation_outlier=cell.validation_corruption.outlier,
        groups=config.groups,  # type: ignore[arg-type]
        options=config.method.changes or None,
        sgd=config.training,
        model=network.build,
        seed=config.seed,
        on_event=observer.trained,
        checkpoint=checkpoint,
    )


def environment(device: str) -> dict[str, Any]:
    """Return the versions of packages and the device, because they may change the results of a run. The name of the
    machine is not included.
    """
    names = ("torch", "numpy", "scipy", "pillow", "safetensors")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {"deepgum": __version__, **{name: metadata.version(name) for name in names}},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _resumed_environment(folder: RunFolder, now: dict[str, Any]) -> dict[str, Any]:
    """Return the environment `now` of a resumed run, with the time at which the run started first.

    Give a warning if anything else in the environment has changed since then.
    """
    before = folder.begun_in()
    now = now | {"started": before.get("started", now["started"])}
    if before and before != now:
        warnings.warn(
            f"'{folder.path}' was started in another environment: {differences(before, now)}. The run continues. Its "
            "results may differ by rounding from the results of a run in one environment.",
            DeepGUMWarning,
            stacklevel=2,
        )
    return now


def _write_environment(folder: RunFolder, now: dict[str, Any]) -> None:
    with write_atomically(folder.environment) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
