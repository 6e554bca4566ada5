"""Methods side by side: every method under every noise, rate and seed, one run at a time, resumed where it stopped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from deepgum import __version__
from deepgum.checks import check_choice, check_count, check_fraction
from deepgum.data.corruption import NOISES
from deepgum.errors import InvalidParameterError
from deepgum.experiments.cells import DATASETS, Cell, Request, Subset, make_cell
from deepgum.experiments.folder import OutputFolder
from deepgum.experiments.observer import Observer
from deepgum.experiments.records import RunKey, RunRecord
from deepgum.experiments.scoring import score_run
from deepgum.training import METHODS, SGDOptions, TrainingResult, train_method

__all__ = ["CompareOptions", "compare", "train_cell"]

GROUPS = ("sample", "landmark", "coordinate")


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and on what.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.experiments.cells.DATASETS`.
    data : Path, optional
        The data set's folder, for one that is not shipped by a dependency.
    noises, rates, methods, seeds : tuples
        The grid. Names as in `deepgum.data.corruption.NOISES` and `deepgum.training.METHODS`; rates in [0, 1].
    train_size, validation_size : int, optional
        Samples; by default all there are, one in ten for validation. Validation samples come on top of `train_size`,
        by default a ninth of it.
    image_size : int, optional
        Side of the images in pixels; by default the data set's own.
    groups : {"sample", "landmark", "coordinate"}, optional
        By default as in the paper: landmarks for NGO and l-UGO, samples for g-UGO.
    model : str
        As for `deepgum.models.build_model`.
    sgd : SGDOptions
        The same for every method.
    skip_missing : bool
        Go on without images that are not there.
    cache_dir : Path, optional
        Of the decoded crops.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with; the message names it, and for a name the nearest known one.
    """

    dataset: str = "lfw-net"
    data: Path | None = None
    noises: tuple[str, ...] = ("l-ugo",)
    rates: tuple[float, ...] = (0.4,)
    methods: tuple[str, ...] = ("l2", "cauchy", "deepgum", "oracle")
    seeds: tuple[int, ...] = (0,)
    train_size: int | None = None
    validation_size: int | None = None
    image_size: int | None = None
    groups: str | None = None
    model: str = "facenet"
    sgd: SGDOptions = field(default_factory=SGDOptions)
    skip_missing: bool = False
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        check_choice("dataset", self.dataset, DATASETS)
        if DATASETS[self.dataset].needs_folder and self.data is None:
            raise InvalidParameterError("data", f"the folder of the data set {self.dataset!r}", None)
        axes: tuple[tuple[str, tuple[Any, ...], Callable[[str, Any], object]], ...] = (
            ("noise", self.noises, lambda name, value: check_choice(name, value, NOISES)),
            ("rate", self.rates, check_fraction),
            ("methods", self.methods, lambda name, value: check_choice(name, value, METHODS)),
            ("seed", self.seeds, lambda name, value: check_count(name, value, least=0)),
        )
        for name, values, check in axes:
            for value in values:
                check(name, value)
            if not values or len(set(values)) < len(values):
                raise InvalidParameterError(name, "one or more values, each once", values)
        for name, least in (("train_size", 2), ("validation_size", 1), ("image_size", 16)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least=least)
        if self.groups is not None:
            check_choice("groups", self.groups, GROUPS)

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that every run shares and that its result depends on: what `config.json` holds."""
        sgd = asdict(self.sgd)
        # The same experiment may go on elsewhere; each record says where its run was.
        del sgd["device"]
        return {
            "dataset": self.dataset,
            "train_size": self.train_size,
            "validation_size": self.validation_size,
            "image_size": self.image_size or DATASETS[self.dataset].image_size,
            "groups": self.groups,
            "model": self.model,
            "skip_missing": self.skip_missing,
            **sgd,
        }

    def runs(self) -> list[RunKey]:
        """Every run of the grid: a seed after the other, so that what is done first is a whole figure."""
        grid = itertools.product(self.seeds, self.noises, self.rates, self.methods)
        return [
            RunKey(method, noise, rate, seed, self.groups or NOISES[noise].unit, _choices(method), self.shared)
            for seed, noise, rate, method in grid
        ]

    def load(self, seed: int, observer: Observer) -> Subset:
        """Load the clean samples of a seed."""
        request = Request(
            folder=self.data,
            train_size=self.train_size,
            validation_size=self.validation_size,
            image_size=self.shared["image_size"],
            skip_missing=self.skip_missing,
            cache_dir=self.cache_dir,
            on_progress=observer.reading,
        )
        return DATASETS[self.dataset].load(request, seed)


def compare(options: CompareOptions, out: Path, observer: Observer | None = None) -> list[RunRecord]:
    """Train every method of the grid, and return the records of all its runs, in the grid's order.

    Runs whose records `out` holds already are not repeated, so an interrupted comparison is gone on with by calling
    this again. Runs that do the same (a corruption of rate 0 by any name) are trained once and recorded under each name.

    Parameters
    ----------
    options : CompareOptions
    out : Path
        A folder for `config.json`, `results.jsonl` and `posteriors/`.
    observer : Observer, optional
        Told of every step.

    Raises
    ------
    OutputFolderError
        If `out` holds anything else; before any training, and nothing is written.
    InvalidDataError, InvalidParameterError
        If the data cannot be used; before any training.
    """
    observer = observer or Observer()
    folder = OutputFolder(out)
    folder.check(options.shared)
    runs = options.runs()
    records = {_name(record): record for record in folder.results.read()}
    missing = [run for run in runs if (run.digest, run.method, run.noise) not in records]
    subset = options.load(missing[0].seed, observer) if missing else None
    folder.claim(options.shared)
    observer.started(len(runs), len(runs) - len(missing))
    loaded = missing[0].seed if missing else None
    for _, group in itertools.groupby(missing, key=lambda run: (run.seed, run.noise, run.rate)):
        cell_runs = list(group)
        if cell_runs[0].seed != loaded:
            loaded = cell_runs[0].seed
            subset = options.load(loaded, observer)
        assert subset is not None
        cell: Cell | None = None
        for run in cell_runs:
            observer.run_started(run, runs.index(run) + 1)
            twin = _twin(run, records.values())
            if twin is None:
                cell = cell or make_cell(subset, run.noise, run.rate, run.seed)
                record = _run(run, cell, options, folder, observer)
            else:
                record = replace(twin, method=run.method, noise=run.noise)
            folder.results.append(record)
            records[_name(record)] = record
            observer.run_finished(run, record)
    return [records[run.digest, run.method, run.noise] for run in runs]


def train_cell(
    run: RunKey, cell: Cell, options: CompareOptions, observer: Observer, folder: OutputFolder
) -> tuple[TrainingResult, RunRecord]:
    """Train one method on a cell, write its posteriors, and return its result and its record."""
    result = train_method(
        run.method,
        cell.train,
        cell.validation,
        true_outlier=cell.corruption.outlier,
        validation_outlier=cell.validation_corruption.outlier,
        groups=run.groups,  # type: ignore[arg-type]
        sgd=options.sgd,
        model=options.model,
        seed=run.seed,
        on_event=observer.trained,
    )
    scores, posteriors = score_run(result, cell, run.groups, options.sgd)
    path = folder.posteriors / f"{run.stem}.parquet"
    posteriors.write(path, method=run.method, noise=run.noise, rate=f"{run.rate:g}", seed=str(run.seed), key=run.digest)
    return result, RunRecord(
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
    )


def _run(run: RunKey, cell: Cell, options: CompareOptions, folder: OutputFolder, observer: Observer) -> RunRecord:
    return train_cell(run, cell, options, observer, folder)[1]


def _choices(method: str) -> dict[str, Any]:
    """What a method's name stands for, as JSON values; its label and description make no difference to a run."""
    named = METHODS[method]
    return {
        "loss": named.loss,
        "options": None if named.options is None else asdict(named.options),
        "oracle": named.oracle,
    }


def _name(record: RunRecord) -> tuple[str, str, str]:
    return record.key, record.method, record.noise


def _twin(run: RunKey, records: Iterable[RunRecord]) -> RunRecord | None:
    return next((record for record in records if record.key == run.digest), None)
