"""Export of weights and posteriors, either from a network and the result of a training, or from a finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from torch import nn

from deepgum._version import __version__
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.experiments.own_files import own_files_near
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.scoring import posteriors_of
from deepgum.experiments.runs.tables import Posteriors
from deepgum.experiments.runs.trained import TrainedRun
from deepgum.export.common import ONNX, TABLES, WEIGHTS, check_path, input_description
from deepgum.export.onnx import check_packages, export_onnx
from deepgum.mixture.partition import Groups
from deepgum.models.weights import save_weights
from deepgum.storage.output import is_same_file
from deepgum.training import TrainingResult

__all__ = ["export_posteriors", "export_run", "export_weights"]


def export_weights(
    model: nn.Module, path: Path, *, about: Mapping[str, str] | None = None, overwrite: bool = False
) -> None:
    """Write the parameters and buffers of a network as safetensors, with the names in the network's `state_dict`.

    Parameters
    ----------
    model : nn.Module
    path : Path
        A file ``*.safetensors``. If the folder of the file does not exist, it is made.
    about : mapping of str to str, optional
        Entries for the header of the file.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    InvalidParameterError
        If the path cannot be written to, or the file exists.
    DiskFullError
        If the disk cannot hold the file.

    Examples
    --------
    >>> import tempfile
    >>> from safetensors.torch import load_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_weights(nn.Linear(2, 1), Path(folder) / "weights.safetensors")
    ...     sorted(load_file(Path(folder) / "weights.safetensors"))
    ['bias', 'weight']
    """
    check_path(path, (WEIGHTS,), overwrite)
    save_weights(model, path, {"deepgum.version": __version__, **(about or {})}, replace=overwrite)


def export_posteriors(
    result: TrainingResult, data: RegressionData, path: Path, *, groups: Groups = "sample", overwrite: bool = False
) -> None:
    """Write the posteriors of a training, one row per sample and group, as Parquet or CSV.

    The columns are `sample_id`, `group`, `responsibility` (the probability that the label is right), `residual_norm`
    (the length of the residual, in the targets' unit), `flagged` (whether the method flags the label) and
    `true_outlier` (whether the label is wrong, if this is known). For a missing label, these values are null.

    Parameters
    ----------
    result : TrainingResult
    data : RegressionData
        The training set.
    path : Path
        A file ``*.parquet`` or ``*.csv``. If the folder of the file does not exist, it is made.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        The groups of the method. If the result has a mixture, the groups of the mixture are used instead.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    InvalidParameterError
        If the path cannot be written to, or the file exists.
    InvalidDataError
        If the result belongs to other data.

    Examples
    --------
    >>> import tempfile
    >>> from deepgum.training import fit_loss
    >>> data = RegressionData.from_arrays([[0.0], [1.0], [2.0]], [[0.5], [1.5], [float("nan")]], ids=["a", "b", "c"])
    >>> result = fit_loss(nn.Sequential(nn.Linear(1, 1)), data, data, loss="l1")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_posteriors(result, data, Path(folder) / "posteriors.csv")
    ...     print((Path(folder) / "posteriors.csv").read_text().splitlines()[-1])
    "c","y0",,,,
    """
    check_path(path, TABLES, overwrite)
    posteriors_of(result, data, groups).write(path, replace=overwrite)


def export_run(run: Path, files: Sequence[Path], *, overwrite: bool = False, trust: bool = False) -> dict[Path, str]:
    """Write the network or the posteriors of a finished run to files. The ending of a path selects what is written.

    Parameters
    ----------
    run : Path
        Folder of the run.
    files : sequence of Path
        ``*.safetensors`` and ``*.onnx`` for the network, ``*.parquet`` and ``*.csv`` for the posteriors.
    overwrite : bool
        Whether files that exist may be replaced. The files of a run are never replaced.
    trust : bool
        Whether code outside the package may be imported, if the run names such code.

    Raises
    ------
    UntrustedCodeError
        If the run names code outside the package, and `trust` is False.
    InvalidDataError
        If the run is not finished.
    InvalidParameterError, MissingDependencyError, ExportError, DiskFullError
        As in `export_weights`, `export_onnx` and `export_posteriors`. All paths are checked before the first file is
        written.

    Returns
    -------
    dict of Path to str
        A description of each written file: path -> description.
    """
    folder = RunFolder(run)
    for file in files:
        check_path(file, (WEIGHTS, ONNX, *TABLES), overwrite, [*folder.own_files, *own_files_near(file)])
    if not files or any(is_same_file(*pair) for pair in combinations(files, 2)):
        raise InvalidParameterError("to", "one or more files, each once", [str(file) for file in files])
    if any(file.suffix.lower() == ONNX for file in files):
        check_packages()
    metrics = folder.metrics()
    networks = [file for file in files if file.suffix.lower() not in TABLES]
    # The network is read before any file is written, and only if it is exported: tables need no user code.
    trained = TrainedRun.load(run, trust=trust) if networks else None
    content: dict[Path, str] = {}
    for file in files:
        if trained is not None and file in networks:
            content[file] = _export_network(trained, file, metrics.key, overwrite)
            continue
        posteriors = Posteriors.read(folder.posteriors)
        posteriors.write(file, replace=overwrite, method=metrics.method, key=metrics.key)
        content[file] = f"{len(posteriors.sample_ids)} training samples, one line per sample and group"
    return content


def _export_network(trained: TrainedRun, file: Path, key: str, overwrite: bool) -> str:
    measure, inputs = trained.config.measure, trained.signature.inputs
    unit = measure.unit or "the labels' unit"
    about = {
        "deepgum.run": key,
        "deepgum.targets": ", ".join(trained.signature.targets),
        "deepgum.unit": f"{unit}, divided by {measure.factor:g}" if measure.factor != 1 else unit,
    }
    encoding = trained.signature.encoding
    if encoding is not None:
        about["deepgum.features"] = json.dumps(asdict(encoding))
    if file.suffix.lower() == ONNX:
        export_onnx(trained.network, file, inputs, about=about, overwrite=overwrite)
    else:
        export_weights(trained.network, file, about={**input_description(inputs), **about}, overwrite=overwrite)
    return f"takes {input_description(inputs)['deepgum.inputs']}"
