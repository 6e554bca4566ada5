"""The tables of a run: posteriors of the training labels, and predictions for the test samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepgum.data.target_names import landmark_names
from deepgum.errors import InvalidDataError, listing
from deepgum.evaluation import coordinate_errors, landmark_errors
from deepgum.storage.decoding import decoding
from deepgum.storage.id_column import id_array, id_texts
from deepgum.storage.output import check_file
from deepgum.storage.table_file import write_table

if TYPE_CHECKING:
    from torch import Tensor

    from deepgum.data.regression import RegressionData

__all__ = ["Posteriors", "Predictions"]


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Residuals, posteriors and flags of training labels, with one value per sample and group.

    A group without a label has no posterior. The responsibility of such a group becomes NaN, and the group is not
    flagged. In files, the row of such a group has the two names, and null in all other columns.

    Parameters
    ----------
    sample_ids : tuple of str, length n
    group_names : tuple of str, length g
    residual_norms : array (n, g)
        Length of the residual over the coordinates of the group, in the targets' unit. NaN for a group without a label.
    responsibilities : array (n, g), optional
        Probabilities that the labels are right; None for methods without a mixture.
    true_outliers : array (n, g) of bool, optional
        True for groups with a label that the corruption made wrong. None if the wrong labels are not known.
    flagged : array (n, g) of bool, optional
        True for groups that the method flags. By default, groups with a responsibility below 1/2 are flagged. If there
        are no responsibilities, the default is None.
    whole_ids : bool
        Whether the ids are whole numbers of the user.

    Raises
    ------
    InvalidDataError
        If an array has a shape other than above, or if a name occurs twice.
    """

    sample_ids: tuple[str, ...]
    group_names: tuple[str, ...]
    residual_norms: NDArray[np.float64]
    responsibilities: NDArray[np.float64] | None = None
    true_outliers: NDArray[np.bool_] | None = None
    flagged: NDArray[np.bool_] | None = None
    whole_ids: bool = False

    def __post_init__(self) -> None:
        shape = (len(self.sample_ids), len(self.group_names))
        for name in ("residual_norms", "responsibilities", "true_outliers", "flagged"):
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise InvalidDataError(f"`{name}` should have the shape {shape}. Found {values.shape}.")
        for name in ("sample_ids", "group_names"):
            repeated = [each for each, count in Counter(getattr(self, name)).items() if count > 1]
            if repeated:
                raise InvalidDataError(
                    f"`{name}` should have no repeated names. Found more than once: {listing(repeated)}."
                )
        if self.responsibilities is not None:
            object.__setattr__(self, "responsibilities", np.where(self.observed, self.responsibilities, np.nan))
            if self.flagged is None:
                object.__setattr__(self, "flagged", self.responsibilities < 0.5)
        if self.flagged is not None:
            object.__setattr__(self, "flagged", self.flagged & self.observed)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Mask (n, g) that is True for groups with a label."""
        return ~np.isnan(self.residual_norms)

    def table(self) -> pa.Table:
        """Return a table with one row per sample and group. Unknown values are null."""
        n, g = len(self.sample_ids), len(self.group_names)

        def column(values: NDArray[Any] | None, kind: Any) -> Any:
            if values is None:
                return pa.nulls(n * g, kind)
            return pa.array(values.reshape(-1), kind, mask=~self.observed.reshape(-1))

        return pa.table(
            {
                "sample_id": id_array(np.repeat(np.array(self.sample_ids, dtype=object), g), self.whole_ids),
                "group": pa.array(list(self.group_names) * n, pa.string()),
                "responsibility": column(self.responsibilities, pa.float64()),
                "residual_norm": column(self.residual_norms, pa.float64()),
                "flagged": column(self.flagged, pa.bool_()),
                "true_outlier": column(self.true_outliers, pa.bool_()),
            }
        )

    def write(self, path: Path, *, replace: bool = True, **about: str) -> None:
        """Write a CSV or a Parquet file, by the ending of the path. The file is never left incomplete.

        The metadata of a Parquet file contain the entries of `about`. `replace` is whether a file that exists may be
        replaced.
        """
        write_table(path, [self.table().replace_schema_metadata(about)], replace=replace)

    @classmethod
    def read(cls, path: Path) -> Posteriors:
        """Read a Parquet file that `write` wrote. Files of early versions have no flags; then the flags are computed.

        Raises
        ------
        InvalidDataError
            If the file does not exist, or `write` did not write it.
        """
        with decoding(path, "a file of posteriors"):
            table = pq.read_table(path)
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            columns["sample_id"] = id_texts(table.column("sample_id"))
            samples, groups = (tuple(dict.fromkeys(columns[name])) for name in ("sample_id", "group"))
            if not all(isinstance(name, str) for name in (*samples, *groups)):
                raise ValueError("its names should be text")
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
                pa.types.is_integer(table.schema.field("sample_id").type),
            )


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a network for n samples, and the labels of these samples.

    Parameters
    ----------
    ids : tuple of str, length n
    names : tuple of str, length d
        Names of the targets.
    predicted : array (n, d)
        Predictions, in the unit of the reported errors.
    labels : array (n, d)
        Labels, in the same unit; NaN marks a missing label.
    whole_ids : bool
        Whether the ids are whole numbers of the user.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    predicted: NDArray[np.float64]
    labels: NDArray[np.float64]
    whole_ids: bool = False

    @classmethod
    def of(cls, values: Tensor, data: RegressionData, factor: float = 1.0) -> Predictions:
        """Return the predictions `values` (n, d) together with the labels of `data`.

        Predictions and labels are multiplied by `factor`, which converts the targets' unit to the reported unit.
        """
        predicted, labels = (factor * part.detach().cpu().double().numpy() for part in (values, data.targets))
        return cls(data.ids, data.target_names, predicted, labels, data.whole_ids)

    def errors(self, *, landmarks: bool) -> NDArray[np.float64]:
        """Return the errors: distances (n, d / 2) for landmarks, otherwise absolute errors (n, d) of the
        coordinates.
        """
        return (landmark_errors if landmarks else coordinate_errors)(self.predicted, self.labels)

    def each(self, *, landmarks: bool) -> dict[str, float | None]:
        """Return the mean absolute errors: name of a landmark or coordinate -> error. The error is None if there are no
        labels.
        """
        errors = self.errors(landmarks=landmarks)
        names = landmark_names(self.names) if landmarks else self.names
        seen = ~np.isnan(errors)
        return {name: float(errors[seen[:, i], i].mean()) if seen[:, i].any() else None for i, name in enumerate(names)}

    def table(self) -> pa.Table:
        """Return a table with the columns `id`, `predicted_NAME` and, if any label is known, `label_NAME`."""
        columns = {"id": id_array(self.ids, self.whole_ids)}
        for prefix, values in (("predicted", self.predicted), ("label", self.labels)):
            if not np.isnan(values).all():
                # from_pandas converts NaN (a missing label) to null.
                columns |= {
                    f"{prefix}_{name}": pa.array(values[:, i], pa.float64(), from_pandas=True)
                    for i, name in enumerate(self.names)
                }
        return pa.table(columns)

    def write(self, path: Path) -> None:
        """Write a CSV or a Parquet file, by the ending of the path. The file is never left incomplete.

        Raises
        ------
        InvalidParameterError
            As in `deepgum.storage.output.check_file`.
        """
        check_file(path)
        write_table(path, [self.table()])

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a Parquet file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist, or `write` did not write it.
        """
        with decoding(path, "a file of predictions"):
            table = pq.read_table(path)
            names = tuple(n.removeprefix("predicted_") for n in table.column_names if n.startswith("predicted_"))
            ids = tuple(id_texts(table.column("id")))
            if not all(isinstance(name, str) for name in ids):
                raise ValueError("its names should be text")

            def matrix(prefix: str) -> NDArray[np.float64]:
                columns = [f"{prefix}_{name}" for name in names]
                if columns[0] not in table.column_names:
                    return np.full((len(ids), len(names)), np.nan)
                return np.stack([np.array(table.column(c).to_pylist(), dtype=np.float64) for c in columns], axis=1)

            whole = pa.types.is_integer(table.schema.field("id").type)
            return cls(ids, names, matrix("predicted"), matrix("label"), whole)
