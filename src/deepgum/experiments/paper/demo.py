"""The demonstration on scikit-learn's digits: four methods learn from wrong landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidParameterError
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.compare import train_and_score
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.paper.records import RunRecord
from deepgum.experiments.runs.cells import make_cell
from deepgum.experiments.runs.network import prepare
from deepgum.experiments.runs.tables import Posteriors
from deepgum.training import SGDOptions, train_method

__all__ = ["DEMO", "DemoResult", "free_folder", "run_demo"]

DEMO = CompareOptions(
    dataset="digits",
    noises=("l-ugo",),
    rates=(0.4,),
    methods=("l2", "cauchy", "deepgum", "oracle"),
    train_size=1200,
    # All methods train for the whole schedule, so that the learning rate of each reaches its end.
    sgd=SGDOptions(schedule="one-cycle", learning_rate=3e-3, epochs_max=30, patience=30),
)
"""Options of the demonstration: two landmarks in five are wrong."""


@dataclass(frozen=True, eq=False)
class DemoResult:
    """The results of a demonstration with n training images and l landmarks per image.

    Attributes
    ----------
    records : list of RunRecord
        One record per method.
    images : uint8 array (n, c, h, w)
    given, predicted, clean : arrays (n, 2 l)
        Landmarks with the corruption, landmarks that the network of DeepGUM predicts, and landmarks before the
        corruption.
    posteriors : Posteriors
        Posteriors that DeepGUM gives the training labels.
    """

    records: list[RunRecord]
    images: NDArray[np.uint8]
    given: NDArray[np.float32]
    predicted: NDArray[np.float32]
    clean: NDArray[np.float32]
    posteriors: Posteriors


def run_demo(out: Path, observer: Observer | None = None, options: CompareOptions = DEMO) -> DemoResult:
    """Train each method on the same digits with wrong landmarks, and write records and posteriors to a new folder.

    Parameters
    ----------
    out : Path
        A new or empty folder.
    observer : Observer, optional
        Its methods are called at every step.
    options : CompareOptions
        Options with one noise, one rate and one seed, and with "deepgum" among the methods.

    Raises
    ------
    OutputFolderError
        If the folder is not empty.
    """
    if "deepgum" not in options.methods or len(options.runs()) != len(options.methods):
        raise InvalidParameterError("options", "one noise, rate and seed, and 'deepgum' among the methods", options)
    observer = observer or Observer()
    folder = OutputFolder(out)
    folder.claim_new(options.shared)
    runs = options.runs()
    network = prepare(options.network, options.load(runs[0].seed, observer), seed=runs[0].seed)
    cell = make_cell(network.subset, runs[0].noise, runs[0].rate, runs[0].seed, missing=options.missing)
    observer.started(len(runs), 0)
    records, results = [], {}
    for number, run in enumerate(runs, start=1):
        observer.run_started(run, number)
        results[run.method], record = train_and_score(run, cell, network.build, options, folder, observer, train_method)
        folder.results.append(record)
        records.append(record)
        observer.run_finished(run, record)
    found = records[options.methods.index("deepgum")]
    assert found.posteriors is not None
    given = cell.train.targets
    return DemoResult(
        records=records,
        images=np.asarray(cell.train.inputs),
        given=given.numpy(),
        predicted=(given - results["deepgum"].residuals).numpy(),
        clean=cell.clean_targets.numpy(),
        posteriors=Posteriors.read(out / found.posteriors),
    )


def free_folder(path: Path) -> Path:
    """Return the path if it does not exist, otherwise the first path among path-2, path-3, ... that does not exist.

    Examples
    --------
    >>> free_folder(Path("runs/no-such-demo")).as_posix()
    'runs/no-such-demo'
    """
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
