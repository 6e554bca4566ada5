"""The example images for the figures of a run, which are in the file `examples.npz`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.archives import read_archive
from deepgum.storage.decoding import decoding
from deepgum.storage.disk import write_atomically

if TYPE_CHECKING:
    from deepgum.data.sets.request import Subset
    from deepgum.experiments.runs.cells import Cell
    from deepgum.experiments.runs.tables import Posteriors, Predictions
    from deepgum.training import TrainingResult

__all__ = ["Examples"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Example images for the figures of a run.

    Attributes
    ----------
    suspects : uint8 array (k, c, h, w)
        Images of the training samples with the lowest responsibilities, in ascending order of the responsibility.
    suspect_ids : tuple of str
    given, predicted : arrays (k, d)
        Given labels and predictions of the samples in `suspects`, in the targets' unit.
    responsibilities : array (k,)
        For each sample in `suspects`, the lowest responsibility of its groups.
    tests : uint8 array (m, c, h, w)
        Images of some test samples.
    test_predicted, test_labels : arrays (m, d)
        Predictions and labels of the samples in `tests`, in the targets' unit.
    """

    suspects: NDArray[np.uint8]
    suspect_ids: tuple[str, ...]
    given: NDArray[np.float64]
    predicted: NDArray[np.float64]
    responsibilities: NDArray[np.float64]
    tests: NDArray[np.uint8]
    test_predicted: NDArray[np.float64]
    test_labels: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        clean: Subset,
        cell: Cell,
        result: TrainingResult,
        posteriors: Posteriors,
        predictions: Predictions,
        most: int,
        width: float = 1.0,
        factor: float = 1.0,
    ) -> Examples | None:
        """Return the example images of a run, or None if the data set has no images."""
        if np.asarray(clean.train.inputs[:1]).ndim != 4:
            return None
        lowest = (
            np.zeros(0)
            if posteriors.responsibilities is None
            else np.nanmin(posteriors.responsibilities, axis=1, initial=1.0)
        )
        order = np.argsort(lowest, kind="stable")[:most]
        given = cell.train.targets.double().numpy()[order]
        predicted = given - result.residuals.double().numpy()[order]
        if np.isnan(predicted).any():
            # A missing label has no residual, so its prediction is computed.
            from deepgum.residuals import predict

            computed = predict(result.model, cell.train.subset(order)).double().numpy()
            predicted = np.where(np.isnan(predicted), computed, predicted)
        shown = slice(0, most)
        return cls(
            suspects=np.asarray(clean.train.inputs)[order],
            suspect_ids=tuple(cell.train.ids[row] for row in order),
            given=given / width,
            predicted=predicted / width,
            responsibilities=lowest[order],
            tests=np.asarray(clean.test.inputs[shown]),
            test_predicted=predictions.predicted[shown] / (factor * width),
            test_labels=predictions.labels[shown] / (factor * width),
        )

    def write(self, path: Path) -> None:
        """Write an .npz file. The file is never left incomplete."""
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        with write_atomically(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> Examples:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist, or `write` did not write it.
        """
        content = "the images of a run"
        values = read_archive(path, [f.name for f in fields(cls)], content)
        with decoding(path, content):
            ids = tuple(map(str, values.pop("suspect_ids").tolist()))
            images = {name: values.pop(name) for name in ("suspects", "tests")}
            numbers: dict[str, Any] = {name: array.astype(np.float64, casting="safe") for name, array in values.items()}
            shapes = [array.shape[:1] for array in (*images.values(), *numbers.values())]
            if any(array.ndim != 4 or array.dtype != np.uint8 for array in images.values()):
                raise ValueError("its images should be uint8 (n, c, h, w)")
            k, m = len(images["suspects"]), len(images["tests"])
            if len(ids) != k or shapes != [(k,), (m,), (k,), (k,), (k,), (m,), (m,)]:
                raise ValueError("its arrays have different lengths")
            return cls(**images, **numbers, suspect_ids=ids)
