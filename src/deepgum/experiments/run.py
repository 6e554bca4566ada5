"""A run from its configuration to its folder: trained once, and read again by every table and figure."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from deepgum import __version__
from deepgum.errors import DeepGUMError, OutputFolderError, listing
from deepgum.experiments.cells import Cell, make_cell
from deepgum.experiments.config import RunConfig, read_config, write_config
from deepgum.experiments.datasets import DATASETS
from deepgum.experiments.network import Network, Signature, prepare, save_network
from deepgum.experiments.observer import Observer
from deepgum.experiments.posteriors import write_atomically
from deepgum.experiments.request import Request, Subset
from deepgum.experiments.run_folder import Examples, Metrics, RunFolder
from deepgum.experiments.scoring import predict_labelled, score_run
from deepgum.models import HEADS, build_model
from deepgum.training import METHODS, TrainingResult, check_device, check_method, check_network, train_method

__all__ = ["Data", "Title", "load_subset", "run"]

SHOWN = 40
"""Training samples, those least likely to be right, and test samples that a run folder keeps images of."""


def load_subset(config: RunConfig, observer: Observer | None = None) -> Subset:
    """Load the clean samples of a run.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set is not there or cannot be read.
    """
    data = config.data
    request = Request(
        folder=data.folder,
        train_size=data.train_size,
        validation_size=data.validation_size,
        test_size=data.test_size,
        image_size=data.image_size or 0,
        colour=data.colour,
        skip_missing=data.skip_missing,
        skip_unreadable=data.skip_unreadable,
        cache_dir=data.cache_dir,
        on_progress=(observer or Observer()).reading,
        fold=data.fold,
        options=data.options,
    )
    return DATASETS[data.name].load(request, config.seed)


class Data:
    """Loads subsets and computes frozen trunks, and keeps the last of each: runs on the same data share them."""

    def __init__(self) -> None:
        self._subset: tuple[str, Subset] | None = None
        self._network: tuple[str, Network] | None = None

    def subset(self, config: RunConfig, observer: Observer) -> Subset:
        """Return the clean samples of a run."""
        key = repr((config.data, config.seed))
        if self._subset is None or self._subset[0] != key:
            self._subset = key, load_subset(config, observer)
        return self._subset[1]

    def network(self, config: RunConfig, subset: Subset, observer: Observer) -> Network:
        """Return how to build a run's networks, with what is frozen already computed."""
        key = repr((config.data, config.seed, config.model))
        if self._network is None or self._network[0] != key:
            network = prepare(
                config.model,
                subset,
                seed=config.seed,
                cache_dir=config.data.cache_dir,
                device=config.training.device,
                on_progress=observer.computing,
            )
            self._network = key, network
        return self._network[1]


@dataclass(frozen=True)
class Title:
    """What an observer is told of a run; as `deepgum.experiments.observer.Run`."""

    method: str
    noise: str
    rate: float
    seed: int
    about: str

    @classmethod
    def of(cls, config: RunConfig) -> Title:
        """Return the title of a run."""
        about = f"{config.data.name} fold {config.data.fold}" if DATASETS[config.data.name].folds else config.data.name
        return cls(config.method.name, config.corruption.noise, config.corruption.rate, config.seed, about)


def run(
    config: RunConfig, out: Path, observer: Observer | None = None, data: Data | None = None, number: int = 1
) -> RunFolder:
    """Train a network as configured and write its folder; a finished one is returned as it is.

    The folder holds `config.toml` (every default spelled out), `environment.json`, `history.jsonl`, `metrics.json`,
    `posteriors.parquet`, `predictions.parquet` (of the test set), `network.json` and `weights.safetensors`, and for
    images `examples.npz`. `metrics.json` comes last: a folder without it is of a run that was stopped, and is begun
    again.

    Parameters
    ----------
    config : RunConfig
    out : Path
        New, empty, or of the same configuration.
    observer : Observer, optional
        Told of every step.
    data : Data, optional
        Shared between runs, so that each data set is read once.
    number : int
        Of the run, for the observer.

    Raises
    ------
    OutputFolderError
        If `out` holds anything else.
    InvalidDataError, InvalidParameterError
        If the data or the network cannot be used; before any training, and nothing is written.
    """
    observer, data, folder = observer or Observer(), data or Data(), RunFolder(out)
    if _is_done(folder, config):
        return folder
    check_device(config.training.device)
    config.model.check_weights("model.weights")
    dataset = DATASETS[config.data.name]
    clean = data.subset(config, observer)
    network = data.network(config, clean, observer)
    cell = make_cell(network.subset, config.corruption.noise, config.corruption.rate, config.seed)
    options = config.method.options or None
    check_method(config.method.name, cell.train, cell.validation, config.groups, options)  # type: ignore[arg-type]
    head = METHODS[config.method.name].head
    check_network(build_model(network.build, cell.train, config.seed, head), cell.train, config.training)
    folder.claim()
    with write_atomically(folder.config) as temporary:
        write_config(config, temporary)
    _write_json(folder.path / "environment.json", environment(config.training.device))
    title = Title.of(config)
    observer.run_started(title, number)
    result = _train(config, cell, network, observer)
    measure = config.measure
    scores, posteriors = score_run(result, cell, config.groups, config.training, measure)
    predictions = predict_labelled(result.model, cell.test, config.training, measure.factor)
    metrics = Metrics(
        dataset=config.data.name,
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
    )
    result.history.write_jsonl(folder.history_file)
    posteriors.write(folder.posteriors, method=config.method.name, key=config.digest)
    predictions.write(folder.predictions)
    examples = Examples.of(clean, cell, result, posteriors, predictions, SHOWN, measure.factor)
    if examples is not None:
        examples.write(folder.examples)
    whole = network.whole(result.model)
    outputs = HEADS[head].n_outputs(cell.train.targets)
    signature = Signature(tuple(clean.train.inputs.shape[1:]), clean.train.target_names, head, outputs)
    save_network(whole, signature, folder.path)
    folder.finish(metrics)
    observer.run_finished(title, metrics)
    return folder


def _train(config: RunConfig, cell: Cell, network: Network, observer: Observer) -> TrainingResult:
    return train_method(
        config.method.name,
        cell.train,
        cell.validation,
        true_outlier=cell.corruption.outlier,
        validation_outlier=cell.validation_corruption.outlier,
        groups=config.groups,  # type: ignore[arg-type]
        options=config.method.options or None,
        sgd=config.training,
        model=network.build,
        seed=config.seed,
        on_event=observer.trained,
    )


def environment(device: str) -> dict[str, Any]:
    """Return what a run's figures may depend on besides its configuration; nothing that tells whose machine it is."""
    names = ("deepgum", "torch", "numpy", "scipy", "pillow", "safetensors")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in names},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _write_json(path: Path, values: Any) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Whether the run is done; refuse a folder that holds anything but a run of this configuration.

    Raises
    ------
    OutputFolderError
        With the settings that differ, or with what is in the way.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise OutputFolderError(f"'{folder.path}' should be a folder. Found a file. Nothing was written.")
    if not folder.config.is_file():
        present = sorted(entry.name for entry in folder.path.iterdir()) if folder.path.is_dir() else []
        if present:
            raise OutputFolderError(
                f"'{folder.path}' should be new, empty, or of this run. It holds {listing(present)}. "
                "Give another output folder. Nothing was written."
            )
        return False
    try:
        before = read_config(folder.config)
    except DeepGUMError as error:
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of this run. It holds the configuration of something else: "
            f"{error} Give another output folder. Nothing was written."
        ) from error
    # A table may have been moved; `digest` reads it where it is now.
    table = config.data.name == before.data.name == "table"
    there = replace(before, data=replace(before.data, folder=config.data.folder)) if table else before
    if there.digest != config.digest:
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. It holds another: {_differences(before, config)}. "
            "Give another output folder. Nothing was written."
        )
    done = folder.metrics_file.is_file()
    if done and table and folder.metrics().key != config.digest:
        raise OutputFolderError(
            f"'{folder.path}' should be of this run. The table '{config.data.folder}' has changed since. "
            "Give another output folder. Nothing was written."
        )
    return done


def _differences(before: RunConfig, now: RunConfig) -> str:
    theirs, ours = (_flat(config.to_mapping()) for config in (before, now))
    return "; ".join(
        f"{key} = {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    )


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
