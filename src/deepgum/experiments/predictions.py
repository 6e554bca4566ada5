"""Labels and predictions of a set of samples as a table, and the errors that are counted from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepgum.data.disk import write_atomically
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import coordinate_errors, landmark_errors

__all__ = ["Predictions", "check_output"]


def check_output(path: Path, parameter: str = "out", suffixes: Sequence[str] = (".csv", ".parquet")) -> None:
    """Refuse a path that a result cannot be written to, before the work for it; make its folder.

    Raises
    ------
    InvalidParameterError
        About `parameter`, if the path ends otherwise, is a folder, or is in a folder that cannot be made or written to.
    """
    if path.suffix not in suffixes:
        endings = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        raise InvalidParameterError(parameter, f"a file that ends in {endings}", str(path))
    if path.is_dir():
        raise InvalidParameterError(parameter, "a file", str(path), "It is a folder.")
    expected = "a file in a folder that can be written to"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameterError(parameter, expected, str(path), f"({error.strerror})") from error
    if not os.access(path.parent, os.W_OK):
        raise InvalidParameterError(parameter, expected, str(path))


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network says of n samples, beside their labels.

    Parameters
    ----------
    ids : tuple of str, length n
    names : tuple of str, length d
        Of the targets.
    predicted : array (n, d)
        In the unit in which errors are reported.
    labels : array (n, d)
        NaN where there is none.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    predicted: NDArray[np.float64]
    labels: NDArray[np.float64]

    def errors(self, *, landmarks: bool) -> NDArray[np.float64]:
        """Return the distance of each landmark (n, d / 2), or the absolute error of each coordinate (n, d)."""
        return (landmark_errors if landmarks else coordinate_errors)(self.predicted, self.labels)

    def each(self, *, landmarks: bool) -> dict[str, float | None]:
        """Return the mean absolute error of every landmark or coordinate; None where there is no label."""
        errors = self.errors(landmarks=landmarks)
        names = [name.removesuffix("_x") for name in self.names[::2]] if landmarks else list(self.names)
        seen = ~np.isnan(errors)
        return {name: float(errors[seen[:, i], i].mean()) if seen[:, i].any() else None for i, name in enumerate(names)}

    def table(self) -> pa.Table:
        """Return columns `id`, `predicted_NAME` and, where any label is known, `label_NAME`."""
        columns = {"id": pa.array(self.ids, pa.string())}
        for prefix, values in (("predicted", self.predicted), ("label", self.labels)):
            if not np.isnan(values).all():
                # from_pandas makes NaN a null: a missing label.
                columns |= {
                    f"{prefix}_{name}": pa.array(values[:, i], pa.float64(), from_pandas=True)
                    for i, name in enumerate(self.names)
                }
        return pa.table(columns)

    def write(self, path: Path) -> None:
        """Write Parquet or CSV, as the file's name ends; whole or not at all.

        Raises
        ------
        InvalidParameterError
            As `check_output`.
        """
        check_output(path)
        with write_atomically(path) as temporary:
            if path.suffix == ".csv":
                pyarrow.csv.write_csv(self.table(), temporary)
            else:
                pq.write_table(self.table(), temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a Parquet file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If there is no such file, or it is not one of `write`'s.
        """
        try:
            table = pq.read_table(path)
            names = tuple(n.removeprefix("predicted_") for n in table.column_names if n.startswith("predicted_"))
            ids = tuple(table.column("id").to_pylist())

            def matrix(prefix: str) -> NDArray[np.float64]:
                columns = [f"{prefix}_{name}" for name in names]
                if columns[0] not in table.column_names:
                    return np.full((len(ids), len(names)), np.nan)
                return np.stack([np.array(table.column(c).to_pylist(), dtype=np.float64) for c in columns], axis=1)

            return cls(ids, names, matrix("predicted"), matrix("label"))
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise InvalidDataError(f"'{path}' should be a file of predictions. It cannot be read: {error}.") from error
