"""Export of a network to an ONNX file, which programs without Python and without this library can run.

Before the file is written, the ONNX network is compared with the original network on random inputs, in batches of two
sizes.
"""

from __future__ import annotations

import copy
import importlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepgum.checks import check_count, check_positive
from deepgum.errors import DeepGUMError, ExportError, InvalidDataError, MissingDependencyError
from deepgum.export.common import ONNX, check_path, input_description
from deepgum.outputs import as_predictions
from deepgum.residuals import evaluating
from deepgum.storage.disk import write_atomically

__all__ = ["OPSET", "TOLERANCE", "check_packages", "export_onnx"]

OPSET = 20
"""Version of ONNX's operators: the one that torch's exporter writes without conversion."""
TOLERANCE = 1e-4
"""Largest allowed difference, as a share of the largest prediction: a thousand times the rounding of float32."""


_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_BATCHES = (2, 5)


def export_onnx(
    model: nn.Module,
    path: Path,
    input_shape: Sequence[int],
    *,
    about: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> None:
    """Write a network as ONNX. The network is exported in evaluation mode.

    Before the file is written, the ONNX network is compared with the original network on random inputs.

    The ONNX network takes `inputs`, float32 of shape (batch, *input_shape), and returns `predictions`, float32 of shape
    (batch, d), for any batch size. A network of this library takes images with values in [0, 1] (bytes divided by 255),
    or features as in the training data. The standardisation of features is part of the network. The metadata of the
    file have a description of the inputs, and the entries of `about`.

    Parameters
    ----------
    model : nn.Module
        Network that takes a batch of inputs and returns a tensor (batch, d). The network is not changed, and stays on
        its device.
    path : Path
        A file ``*.onnx``. If the folder of the file does not exist, it is made.
    input_shape : sequence of int
        Shape of one sample: (channels, height, width) for images, (p,) for features.
    about : mapping of str to str, optional
        Entries for the metadata of the file.
    tolerance : float
        Largest allowed difference between the predictions of the two networks on random inputs, as a share of the
        largest prediction. Random images are uniform in [0, 1], other random inputs are standard normal.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    MissingDependencyError
        If onnx, onnxscript or onnxruntime is not installed.
    InvalidParameterError
        If the path cannot be written to, if the file exists and `overwrite` is False, or if a value is not valid.
    InvalidDataError
        If the network cannot take inputs of this shape, or does not return one row per sample.
    ExportError
        If the network cannot be converted to ONNX with a free batch size, or if the ONNX network has other predictions.
        Then no file is written.
    DiskFullError
        If the disk cannot hold the file.

    Examples
    --------
    >>> import tempfile
    >>> import onnxruntime
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(nn.Sequential(nn.Linear(3, 2)), Path(folder) / "network.onnx", input_shape=(3,))
    ...     session = onnxruntime.InferenceSession(Path(folder) / "network.onnx")
    >>> session.run(None, {"inputs": np.zeros((7, 3), np.float32)})[0].shape
    (7, 2)
    """
    check_path(path, (ONNX,), overwrite)
    check_positive("tolerance", tolerance)
    shape = tuple(check_count("input_shape", side) for side in input_shape)
    check_packages()
    content = _checked_onnx(_on_cpu(model), shape, tolerance, {**input_description(shape), **(about or {})})
    with write_atomically(path, len(content), "a network", replace=overwrite) as temporary:
        temporary.write_bytes(content)


def check_packages() -> None:
    """Raise an error if a package that the export to ONNX needs is not installed.

    Raises
    ------
    MissingDependencyError
        If a package is not installed. The message has the command that installs it.
    """
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingDependencyError("Export to ONNX", package, extra="onnx") from error


def _on_cpu(model: nn.Module) -> nn.Module:
    on_cpu = all(tensor.device.type == "cpu" for tensor in [*model.parameters(), *model.buffers()])
    return model if on_cpu else copy.deepcopy(model).cpu()


def _checked_onnx(model: nn.Module, shape: tuple[int, ...], tolerance: float, about: Mapping[str, str]) -> bytes:
    """Return the bytes of an ONNX file. First check that its predictions on random inputs agree with those of the
    network.
    """
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand if len(shape) == 3 else torch.randn
    batches = [draw(size, *shape, generator=generator) for size in _BATCHES]
    given = [_outputs(model, batch) for batch in batches]
    outputs = [_predicted(each, batch) for each, batch in zip(given, batches, strict=True)]
    expected = [each.float().numpy() for each in outputs]
    if outputs[0] is not given[0] or outputs[0].dtype != torch.float32:
        model = _InFloat32(model)
    with _evaluating(model), _quiet():
        try:
            program = torch.onnx.export(
                model,
                (batches[0],),
                dynamo=True,
                dynamic_shapes=({0: "batch"},),
                input_names=["inputs"],
                output_names=["predictions"],
                opset_version=OPSET,
                verbose=False,
            )
            assert program is not None
            program.model.metadata_props.update(about)
            content: bytes = program.model_proto.SerializeToString()
        except Exception as error:  # the exporter runs the network's own code, which may raise anything
            raise ExportError(
                f"The network should be convertible to ONNX, for any batch size. The exporter fails: "
                f"{_reason(error)}. Nothing was written."
            ) from error
    found = _run_onnx(content, batches)
    largest = max(float(np.abs(one).max()) for one in expected)
    difference = max(float(np.abs(one - other).max()) for one, other in zip(expected, found, strict=True))
    if not difference <= tolerance * largest:
        raise ExportError(
            f"The ONNX network should have the same predictions as the network, to {tolerance:g} of the largest "
            f"prediction, {largest:.6g}. Found a difference of {difference:.6g} on random inputs. A network that draws "
            "random numbers, or whose steps depend on values, cannot be converted to ONNX. Nothing was written."
        )
    return content


class _InFloat32(nn.Module):
    """A wrapper around a network that takes its predictions from its outputs, as float32."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = as_predictions(self.model(inputs), (inputs.shape[0], None))
        return outputs.float()


def _outputs(model: nn.Module, batch: Tensor) -> Any:
    with evaluating(model):
        try:
            return model(batch)
        except DeepGUMError:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            shape = tuple(batch.shape)
            raise InvalidDataError(f"The network cannot take inputs of shape {shape}: {error}") from error


def _predicted(given: Any, batch: Tensor) -> Tensor:
    outputs = as_predictions(given, (len(batch), None))
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(batch):
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InvalidDataError(f"The network should return values of shape ({len(batch)}, d). Found {found}.")
    return outputs


def _run_onnx(content: bytes, batches: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return [session.run(None, {"inputs": batch.numpy()})[0] for batch in batches]
    except Exception as error:  # errors of ONNX Runtime have no common type
        raise ExportError(f"The ONNX network should run. It fails: {_reason(error)}. Nothing was written.") from error


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0].rstrip(".: ")


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode during a block. At the end, give each module its former mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _quiet() -> Iterator[None]:
    """Do not print two outputs of the exporter: its remarks on optional packages, and its report on a failed export."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
