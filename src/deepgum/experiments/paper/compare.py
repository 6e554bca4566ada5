"""A comparison of methods: one run for every combination of method, noise, rate and seed."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from deepgum._version import __version__
from deepgum.data.content import Content
from deepgum.data.sets.request import Subset
from deepgum.errors import ComparisonError, DeepGUMError, DeepGUMWarning
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.paper.records import RunKey, RunRecord
from deepgum.experiments.runs.cells import Cell, make_cell
from deepgum.experiments.runs.key import weights_digest
from deepgum.experiments.runs.network import Network, prepare
from deepgum.experiments.runs.run_data import content_of
from deepgum.experiments.runs.scoring import score_run
from deepgum.experiments.same_data import check_same_data, check_same_weights
from deepgum.models import build_model
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

if TYPE_CHECKING:
    from deepgum.models.factory import Backbone
    from deepgum.training.options import Groups

__all__ = ["Trainer", "compare", "train_and_score"]

Trainer = Callable[..., TrainingResult]
"""Function that trains a method by its name: `deepgum.training.train_method`, or a replacement in a test."""


def compare(
    options: CompareOptions, out: Path, observer: Observer | None = None, train: Trainer = train_method
) -> list[RunRecord]:
    """Train every method under every noise, rate and seed, and return the records of all runs in the order of the grid.

    A new call with the same options resumes an interrupted comparison. A run is not repeated if `out` holds the record
    of the run. The interrupted run continues after its last completed epoch. At rate 0, all kinds of noise leave the
    labels unchanged. Such a run is trained once, and recorded for every kind of noise.

    Parameters
    ----------
    options : CompareOptions
    out : Path
        Folder for `config.json`, `results.jsonl`, `posteriors/` and `content/`, and for `checkpoints/` during a run.
        The folder must be new, be empty, or belong to a comparison with the same settings and the same data.
    observer : Observer, optional
        Its methods are called at every step.
    train : callable
        Function with the signature of `deepgum.training.train_method`.

    Raises
    ------
    OutputFolderError
        If `out` holds other files, or results of other data, or if another process writes to `out`. This is checked
        before any training.
    InvalidDataError, InvalidParameterError
        If the data cannot be used or the network cannot be built. This is checked before any training.
    ComparisonError
        If a run failed, because it diverged or because a method was left without labels. The error is raised after the
        last run. It has the records of the other runs, and its message describes the failures.
    """
    check_device(options.sgd.device)
    observer = observer or Observer()
    folder = OutputFolder(out)
    folder.check(options.shared)
    runs = options.runs()
    if not _missing(runs, _records(folder)):
        return _compare(options, runs, folder, observer, train)
    with alone_in(out):
        return _compare(options, runs, folder, observer, train)


def _compare(
    options: CompareOptions, runs: Sequence[RunKey], folder: OutputFolder, observer: Observer, train: Trainer
) -> list[RunRecord]:
    _check_data(options, folder, observer)
    records = _records(folder)
    missing = _missing(runs, records)
    for run in runs:
        if run not in missing:  # recorded by a process that was killed before it removed the checkpoint
            folder.drop_checkpoint(run.stem)
    # Before the folder is made, the data of the first seed are read and a network is built, so that an error leaves no
    # files.
    subsets = {run.seed: options.load(run.seed, observer) for run in missing[:1]}
    for subset, run in itertools.product(subsets.values(), missing):
        # `CompareOptions` has checked the name.
        check_method(run.method, subset.train, subset.validation, cast("Groups", run.groups))
    networks = {seed: _prepare(options, subset, seed, observer) for seed, subset in subsets.items()}
    contents = {seed: content_of(subset) for seed, subset in subsets.items()}
    for seed, network in networks.items():
        train_data = network.subset.train
        for head in {get_method(method).head for method in options.methods}:
            check_network(build_model(network.build, train_data, seed, head), train_data, options.sgd)
    folder.claim(options.shared)
    observer.started(len(runs), len(runs) - len(missing))
    failed = []
    for (seed, noise, rate), cell_runs in itertools.groupby(missing, key=lambda run: (run.seed, run.noise, run.rate)):
        if seed not in networks:
            subset = options.load(seed, observer)
            networks = {seed: _prepare(options, subset, seed, observer)}
            contents = {seed: content_of(subset)}
        if all(record.seed != seed for record in records.values()):
            contents[seed].write(folder.content(seed))
        points = options.measure.landmarks
        cell = make_cell(networks[seed].subset, noise, rate, seed, missing=options.missing, landmarks=points)
        for run in cell_runs:
            observer.run_started(run, runs.index(run) + 1)
            try:
                build = networks[seed].build
                trained = _twin(run, records.values())
                kept = folder.checkpoint(run.stem)
                record = trained or train_and_score(run, cell, build, options, folder, observer, train, kept)[1]
                record = replace(record, content=contents[seed].digest, weights=weights_digest(options.network))
            except DeepGUMError as error:
                failed.append(f"{run.stem}: {error}")
                observer.run_failed(run, error)
                continue
            folder.results.append(record)
            folder.drop_checkpoint(run.stem)
            records[_name(record)] = record
            observer.run_finished(run, record)
    names = [(run.digest, run.method, run.noise) for run in runs]
    finished = [records[name] for name in names if name in records]
    if failed:
        raise ComparisonError(f"{len(failed)} of the {len(runs)} runs failed. {' '.join(failed)}", finished)
    return finished


def _check_data(options: CompareOptions, folder: OutputFolder, observer: Observer) -> None:
    """Raise an error unless the records in the folder are of these data, and of this file of weights.

    The data of all seeds that have a record are compared, and of one other seed in the folder, if its content is kept.
    """
    records = folder.results.read()
    for weights in {record.weights for record in records}:
        check_same_weights(folder.path, "comparison", weights, weights_digest(options.network))
    recorded = dict.fromkeys(record.seed for record in records)
    first = sorted(recorded, key=lambda seed: not folder.content(seed).is_file())[:1]
    for seed in dict.fromkeys([*[seed for seed in options.seeds if seed in recorded], *first]):
        if folder.content(seed).is_file():
            content = content_of(options.load(seed, observer))
            check_same_data(folder.path, "comparison", Content.read(folder.content(seed)), content)
        elif options.data is not None:
            warnings.warn(
                f"It cannot be told whether '{options.data}' has the samples of the records in '{folder.path}'. If it "
                "has other samples, give another output folder.",
                DeepGUMWarning,
                stacklevel=3,
            )


def train_and_score(
    run: RunKey,
    cell: Cell,
    build: Backbone,
    options: CompareOptions,
    folder: OutputFolder,
    observer: Observer,
    train: Trainer,
    checkpoint: Path | None = None,
) -> tuple[TrainingResult, RunRecord]:
    """Train one method on a cell, write the posteriors, and return the pair (result of the training, record).

    The caller must write the record first, and then remove the checkpoint.
    """
    result = train(
        run.method,
        cell.train,
        cell.validation,
        true_outlier=cell.corruption.outlier,
        validation_outlier=cell.validation_corruption.outlier,
        groups=run.groups,
        sgd=options.sgd,
        model=build,
        seed=run.seed,
        on_event=observer.trained,
        checkpoint=checkpoint,
    )
    scores, posteriors, _ = score_run(result, cell, run.groups, options.sgd, options.measure)
    path = folder.posteriors / f"{run.stem}.parquet"
    posteriors.write(path, method=run.method, noise=run.noise, rate=f"{run.rate:g}", seed=str(run.seed), key=run.digest)
    plugin, style = run.method not in METHODS, get_method(run.method).style
    record = RunRecord(
        method=run.method,
        noise=run.noise,
        rate=float(run.rate),
        seed=run.seed,
        **asdict(scores),
        epochs=result.epochs,
        seconds=round(result.seconds, 3),
        train_size=len(cell.train),
        image_size=options.shared["image_size"],
        dataset=options.dataset,
        groups=run.groups,
        device=options.sgd.device,
        version=__version__,
        key=run.digest,
        posteriors=path.relative_to(folder.path).as_posix(),
        missing=float(options.missing),
        label=style.label if plugin else "",
        colour=style.colour if plugin else "",
    )
    return result, record


def _prepare(options: CompareOptions, subset: Subset, seed: int, observer: Observer) -> Network:
    return prepare(
        options.network,
        subset,
        seed=seed,
        cache_dir=options.cache_dir,
        device=options.sgd.device,
        on_progress=observer.computing,
    )


def _name(record: RunRecord) -> tuple[str, str, str]:
    return record.key, record.method, record.noise


def _records(folder: OutputFolder) -> dict[tuple[str, str, str], RunRecord]:
    return {_name(record): record for record in folder.results.read()}


def _missing(runs: Sequence[RunKey], records: Container[tuple[str, str, str]]) -> list[RunKey]:
    return [run for run in runs if (run.digest, run.method, run.noise) not in records]


def _twin(run: RunKey, records: Iterable[RunRecord]) -> RunRecord | None:
    """Return a record for a run that is equal to a recorded run with another method or noise. Return None if there is
    no such recorded run.
    """
    return next((replace(r, method=run.method, noise=run.noise) for r in records if r.key == run.digest), None)
