"""The posteriors of a training set as a table: one row a sample and group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepgum.data.target_names import landmark_names
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import coordinate_errors, landmark_errors
from deepgum.storage.disk import write_atomically

__all__ = ["Posteriors", "Predictions", "check_output"]


@dataclass(frozen=True, eq=False)
class Posteriors:
    """What a run says about each sample and group of its training set.

    Of a group without a label nothing is said: whatever is given for it, its responsibility becomes NaN and it is not
    flagged, and in files all but its name is null.

    Parameters
    ----------
    sample_ids : tuple of str, length n
    group_names : tuple of str, length g
    residual_norms : array (n, g)
        Length of the residual over the group, in the targets' units; NaN where no label of the group is given.
    responsibilities : array (n, g), optional
        Probabilities of being an inlier; None for methods without a mixture.
    true_outliers : array (n, g) of bool, optional
        Which groups the corruption touched; None when nobody knows.
    flagged : array (n, g) of bool, optional
        What the method calls an outlier; by default responsibilities below 1/2, and None without these.

    Raises
    ------
    InvalidDataError
        If the shapes do not fit, or a name comes twice.
    """

    sample_ids: tuple[str, ...]
    group_names: tuple[str, ...]
    residual_norms: NDArray[np.float64]
    responsibilities: NDArray[np.float64] | None = None
    true_outliers: NDArray[np.bool_] | None = None
    flagged: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.sample_ids), len(self.group_names))
        for name in ("residual_norms", "responsibilities", "true_outliers", "flagged"):
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise InvalidDataError(f"`{name}` should have the shape {shape}. Found {values.shape}.")
        for name in ("sample_ids", "group_names"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise InvalidDataError(f"`{name}` should name each one once.")
        if self.responsibilities is not None:
            object.__setattr__(self, "responsibilities", np.where(self.observed, self.responsibilities, np.nan))
            if self.flagged is None:
                object.__setattr__(self, "flagged", self.responsibilities < 0.5)
        if self.flagged is not None:
            object.__setattr__(self, "flagged", self.flagged & self.observed)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Which groups have a label, (n, g)."""
        return ~np.isnan(self.residual_norms)

    def table(self) -> pa.Table:
        """Return one row a sample and group: its names, what is known of it, and null for what is not."""
        n, g = len(self.sample_ids), len(self.group_names)

        def column(values: NDArray[Any] | None, kind: Any) -> Any:
            if values is None:
                return pa.nulls(n * g, kind)
            return pa.array(values.reshape(-1), kind, mask=~self.observed.reshape(-1))

        return pa.table(
            {
                "sample_id": pa.array(np.repeat(np.array(self.sample_ids, dtype=object), g), pa.string()),
                "group": pa.array(list(self.group_names) * n, pa.string()),
                "responsibility": column(self.responsibilities, pa.float64()),
                "residual_norm": column(self.residual_norms, pa.float64()),
                "flagged": column(self.flagged, pa.bool_()),
                "true_outlier": column(self.true_outliers, pa.bool_()),
            }
        )

    def write(self, path: Path, **about: str) -> None:
        """Write the table as CSV if the path ends so, otherwise as Parquet with `about` in the file's metadata.

        The file is there whole or not at all.
        """
        with write_atomically(path) as temporary:
            if path.suffix == ".csv":
                pyarrow.csv.write_csv(self.table(), temporary)
            else:
                pq.write_table(self.table().replace_schema_metadata(about), temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Posteriors:
        """Read a Parquet file that `write` wrote; one of an earlier version, without flags, has those of its numbers.

        Raises
        ------
        InvalidDataError
            If there is no such file, or it is not one of `write`'s.
        """
        try:
            table = pq.read_table(path)
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            samples, groups = (tuple(dict.fromkeys(columns[name])) for name in ("sample_id", "group"))
            shape = len(samples), len(groups)

            def matrix(name: str, dtype: Any) -> NDArray[Any]:
                return np.array(columns[name], dtype=dtype).reshape(shape)

            def unless_null(name: str, dtype: Any) -> NDArray[Any] | None:
                return None if table.column(name).null_count == len(table) else matrix(name, dtype)

            return cls(
                samples,
                groups,
                matrix("residual_norm", np.float64),
                unless_null("responsibility", np.float64),
                unless_null("true_outlier", np.bool_),
                unless_null("flagged", np.bool_) if "flagged" in columns else None,
            )
        except (OSError, KeyError, ValueError) as error:
            raise InvalidDataError(f"'{path}' should be a file of posteriors. It cannot be read: {error}.") from error


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
        names = landmark_names(self.names) if landmarks else self.names
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
