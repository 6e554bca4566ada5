"""Weights, posteriors, and all that a finished run has, as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from deepgum._version import __version__
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.network import load_network
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.scoring import posteriors_of
from deepgum.experiments.runs.tables import Posteriors
from deepgum.export.common import ONNX, TABLES, WEIGHTS, check_path, described
from deepgum.export.onnx import check_packages, export_onnx
from deepgum.mixture.partition import Groups
from deepgum.models.weights import save_weights
from deepgum.training import TrainingResult

__all__ = ["export_posteriors", "export_run", "export_weights"]


def export_weights(
    model: nn.Module, path: Path, *, about: Mapping[str, str] | None = None, overwrite: bool = False
) -> None:
    """Write a network's parameters and buffers as safetensors, under the names of its `state_dict`.

    Parameters
    ----------
    model : nn.Module
    path : Path
        ``*.safetensors``; its folder is made where it is not there.
    about : mapping of str to str, optional
        For the file's header.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    InvalidParameterError
        If the path cannot be written to, or a file is there.
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
    save_weights(model, path, {"deepgum.version": __version__, **(about or {})})


def export_posteriors(
    result: TrainingResult, data: RegressionData, path: Path, *, groups: Groups = "sample", overwrite: bool = False
) -> None:
    """Write what a training learned of its labels: a row a sample and group, as Parquet or CSV.

    The columns are `sample_id`, `group`, `responsibility` (the probability that the label is right), `residual_norm`
    (the length of the residual, in the targets' unit), `flagged` (whether the method calls it an outlier) and
    `true_outlier` (where it is known). What has no label has nulls.

    Parameters
    ----------
    result : TrainingResult
    data : RegressionData
        What it was trained on.
    path : Path
        ``*.parquet`` or ``*.csv``; its folder is made where it is not there.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        As the method had them; a result with a mixture knows by itself.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    InvalidParameterError
        If the path cannot be written to, or a file is there.
    InvalidDataError
        If the result is not of these data.

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
    posteriors_of(result, data, groups).write(path)


def export_run(run: Path, files: Sequence[Path], *, overwrite: bool = False, trust: bool = False) -> dict[Path, str]:
    """Write the network or the posteriors of a finished run to files, by their endings; return what each holds.

    Parameters
    ----------
    run : Path
        The run's folder.
    files : sequence of Path
        ``*.safetensors`` and ``*.onnx`` for the network, ``*.parquet`` and ``*.csv`` for the posteriors.
    overwrite : bool
        Whether files that are there may be replaced.
    trust : bool
        Whether code outside the package that the run names may be imported.

    Raises
    ------
    UntrustedCodeError
        If the run names such code, and is not trusted.
    InvalidDataError
        If the run is not finished.
    InvalidParameterError, MissingDependencyError, ExportError, DiskFullError
        As `export_weights`, `export_onnx` and `export_posteriors`. Every path is checked before the first is written.
    """
    for file in files:
        check_path(file, (WEIGHTS, ONNX, *TABLES), overwrite)
    if not files or len({file.resolve() for file in files}) < len(files):
        raise InvalidParameterError("to", "one or more files, each once", [str(file) for file in files])
    if any(file.suffix == ONNX for file in files):
        check_packages()
    folder = RunFolder(run)
    key = folder.metrics().key
    config = read_recorded(folder.config, trust=trust)
    unit = config.measure.unit or "the labels' unit"
    held: dict[Path, str] = {}
    for file in files:
        if file.suffix in TABLES:
            posteriors = Posteriors.read(folder.posteriors)
            posteriors.write(file, method=config.method.name, key=key)
            held[file] = f"{len(posteriors.sample_ids)} training samples, a line for each and group"
            continue
        network, signature = load_network(config, run)
        about = {
            "deepgum.run": key,
            "deepgum.targets": ", ".join(signature.targets),
            "deepgum.unit": f"{unit}, divided by {config.measure.factor:g}" if config.measure.factor != 1 else unit,
        }
        if file.suffix == ONNX:
            export_onnx(network, file, signature.inputs, about=about, overwrite=overwrite)
        else:
            export_weights(network, file, about={**described(signature.inputs), **about}, overwrite=overwrite)
        held[file] = f"takes {described(signature.inputs)['deepgum.inputs']}"
    return held
