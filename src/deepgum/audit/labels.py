"""`ScoredLabels`: all labels of a data set with their scores, in the form that all parts of an audit exchange."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepgum.data.target_names import landmark_names
from deepgum.errors import InvalidDataError, listing
from deepgum.periods import wrapped
from deepgum.storage.decoding import decoding, json_object
from deepgum.storage.id_column import id_array, id_texts
from deepgum.storage.nested import build
from deepgum.storage.table_file import is_csv, write_table

__all__ = ["COLUMNS", "ScoredLabels", "write_parts"]


Values = NDArray[np.float64]
Place = tuple[int, int]

COLUMNS = (
    "id", "group", "responsibility", "residual_norm", "mahalanobis", "error_kind", "why", "given", "predicted",
    "suggested", "uncertainty", "spread",
)  # fmt: skip
"""Columns of a file of scores, in this order. In CSV, lists are numbers separated by spaces."""


@dataclass(frozen=True, eq=False)
class ScoredLabels:
    """Labels of n samples with their scores. Each sample has d labels in g groups.

    Parameters
    ----------
    ids : tuple of str, length n
        Unique names of the samples.
    target_names : tuple of str, length d
    group_names : tuple of str, length g
    partition : tuple of tuples of int
        The columns of each group.
    given, predicted : arrays (n, d)
        Labels (`given`; NaN marks a missing label) and predictions (`predicted`), in the same unit.
    responsibilities : array (n, g)
        Probability that the labels of a group are right; NaN where a group has no label.
    mahalanobis : array (n, g)
        Mahalanobis distance of the residual under the covariance of right labels. It uses the observed coordinates of
        the group; NaN where no coordinate is observed.
    suggested, uncertainty : arrays (n, d)
        Suggestion for a flagged label (`suggested`), and standard deviation of the suggestion (`uncertainty`), in the
        unit of the labels; NaN where there is no suggestion.
    spread : array (n, g), optional
        Disagreement of several networks about a group: the root mean square distance between the prediction of a
        network and the mean prediction.
    kinds : mapping of (row, group) to str
        Name of the reason of each flagged label; see `deepgum.audit.reasons`.
    why : mapping of (row, group) to str
        A sentence that explains each flag.
    periods : tuple of float, length d, optional
        Period of each label, for example 360 for degrees; 0 for a label without a period.
    whole_ids : bool
        Whether the ids are whole numbers of the user, which a Parquet file keeps as such.

    Raises
    ------
    InvalidDataError
        If a shape does not fit, or an id is repeated.

    Examples
    --------
    >>> one = np.array([[3.0, 4.0]])
    >>> labels = ScoredLabels(
    ...     ids=("a",), target_names=("x", "y"), group_names=("nose",), partition=((0, 1),), given=one,
    ...     predicted=0 * one, responsibilities=np.array([[0.01]]), mahalanobis=np.array([[9.0]]), suggested=0 * one,
    ...     uncertainty=one, kinds={(0, 0): "shifted"}, why={(0, 0): "5 px from its prediction."})
    >>> labels.residual_norms, labels.flags, labels.expected_false_flags
    (array([[5.]]), array([[ True]]), 0.01)
    >>> labels.table().column_names[:4]
    ['id', 'group', 'responsibility', 'residual_norm']
    """

    ids: tuple[str, ...]
    target_names: tuple[str, ...]
    group_names: tuple[str, ...]
    partition: tuple[tuple[int, ...], ...]
    given: Values
    predicted: Values
    responsibilities: Values
    mahalanobis: Values
    suggested: Values
    uncertainty: Values
    spread: Values | None = None
    kinds: Mapping[Place, str] = field(default_factory=dict)
    why: Mapping[Place, str] = field(default_factory=dict)
    periods: tuple[float, ...] | None = None
    whole_ids: bool = False

    def __post_init__(self) -> None:
        n, d, g = len(self.ids), len(self.target_names), len(self.group_names)
        if len(self.partition) != g:
            raise InvalidDataError(f"`partition` should have {g} groups, one per group name. Found {self.partition}.")
        if not all(0 <= place < d for group in self.partition for place in group):
            raise InvalidDataError(f"`partition` should list columns from 0 to {d - 1}. Found {self.partition}.")
        if self.periods is not None and len(self.periods) != d:
            raise InvalidDataError(f"`periods` should have {d} values, one per target. Found {self.periods}.")
        for names, shape in (
            (("given", "predicted", "suggested", "uncertainty"), (n, d)),
            (("responsibilities", "mahalanobis", "spread"), (n, g)),
        ):
            for name in names:
                values = getattr(self, name)
                if values is not None and values.shape != shape:
                    raise InvalidDataError(f"`{name}` should have the shape {shape}. Found {values.shape}.")
        if len(set(self.ids)) < n:
            repeats = [name for name, count in Counter(self.ids).items() if count > 1]
            raise InvalidDataError(f"`ids` should be unique. Found more than once: {listing(repeats)}.")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def residuals(self) -> Values:
        """Labels minus predictions (n, d), wrapped where a label is periodic; NaN where a label is missing."""
        return wrapped(self.given - self.predicted, self.periods)

    @cached_property
    def residual_norms(self) -> Values:
        """Euclidean length (n, g) of the observed coordinates of the residual; NaN if no coordinate is observed."""
        residuals, norms = self.residuals, np.full((len(self), len(self.group_names)), np.nan)
        single = [place for place, group in enumerate(self.partition) if len(group) == 1]
        norms[:, single] = np.abs(residuals[:, [self.partition[place][0] for place in single]])
        for place, group in enumerate(self.partition):
            if len(group) == 1:
                continue
            part = residuals[:, group]
            seen = ~np.isnan(part).all(axis=1)
            norms[seen, place] = np.sqrt(np.nansum(np.square(part[seen]), axis=1))
        return norms

    @cached_property
    def flags(self) -> NDArray[np.bool_]:
        """Array (n, g) of bool: whether a label is more probably wrong than right."""
        flags: NDArray[np.bool_] = self.responsibilities < 0.5
        return flags

    @cached_property
    def landmark_names(self) -> tuple[str, ...]:
        """Names of the landmarks, if labels are x y x y ...; a landmark that is a group has the name of this group."""
        return landmark_names(self.target_names, dict(zip(self.partition, self.group_names, strict=True)))

    @property
    def expected_false_flags(self) -> float:
        """Expected number of flagged labels that are right, computed from the posteriors."""
        return float(self.responsibilities[self.flags].sum())

    def worst_first(self) -> list[Place]:
        """Return (row, group) of each flag, sorted by rising responsibility, then by falling Mahalanobis distance."""
        rows, groups = self.flags.nonzero()
        order = np.lexsort((-self.mahalanobis[rows, groups], self.responsibilities[rows, groups]))
        return [(int(rows[i]), int(groups[i])) for i in order]

    def table(self) -> pa.Table:
        """Return a table with the columns `COLUMNS` and one row per sample and group; unknown values are null."""
        n, g = len(self), len(self.group_names)
        missing = np.isnan(self.residual_norms).reshape(-1)

        def numbers(values: Values | None) -> pa.Array:
            if values is None:
                return pa.nulls(n * g, pa.float64())
            return pa.array(values.reshape(-1), pa.float64(), mask=missing | np.isnan(values.reshape(-1)))

        def lists(values: Values) -> pa.Array:
            rows = [
                None if np.isnan(part := values[row, group]).all() else [None if v != v else v for v in part.tolist()]
                for row in range(n)
                for group in map(list, self.partition)
            ]
            return pa.array(rows, pa.list_(pa.float64()))

        def texts(by_place: Mapping[Place, str]) -> pa.Array:
            return pa.array([by_place.get((row, group)) for row in range(n) for group in range(g)], pa.string())

        return pa.table(
            {
                "id": id_array(np.repeat(np.array(self.ids, dtype=object), g), self.whole_ids),
                "group": pa.array(list(self.group_names) * n, pa.string()),
                "responsibility": numbers(self.responsibilities),
                "residual_norm": numbers(self.residual_norms),
                "mahalanobis": numbers(self.mahalanobis),
                "error_kind": texts(self.kinds),
                "why": texts(self.why),
                "given": lists(self.given),
                "predicted": lists(self.predicted),
                "suggested": lists(self.suggested),
                "uncertainty": lists(self.uncertainty),
                "spread": numbers(self.spread),
            }
        )

    def write(self, path: Path) -> None:
        """Write the table atomically, as CSV if the path ends in .csv, otherwise as Parquet."""
        write_parts(path, [self])

    def _metadata(self) -> dict[str, str]:
        """Return the metadata of the Parquet file, from which `read` restores the labels."""
        groups = {name: list(group) for name, group in zip(self.group_names, self.partition, strict=True)}
        metadata = {"targets": list(self.target_names), "groups": groups, "periods": self.periods}
        return {"deepgum": json.dumps(metadata)}

    @classmethod
    def read(cls, path: Path) -> ScoredLabels:
        """Read a Parquet file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist or is no file of scores.
        """
        with decoding(path, "a file of scores"):
            table = pq.read_table(path)
            about: _Targets = build(_Targets, json_object(table.schema.metadata[b"deepgum"]))
            targets, groups = about.targets, about.groups
            partition = tuple(tuple(group) for group in groups.values())
            g = len(groups)
            columns = {name: table.column(name).to_pylist() for name in COLUMNS}
            columns["id"] = id_texts(table.column("id"))
            reasons = [text for name in ("error_kind", "why") for text in columns[name] if text is not None]
            if not all(isinstance(text, str) for text in (*columns["id"], *reasons)):
                raise ValueError("its ids and reasons should be text")
            n = len(table) // g

            def matrix(name: str) -> Values:
                return np.array(columns[name], dtype=np.float64).reshape(n, g)

            def coordinates(name: str) -> Values:
                values = np.full((n, len(targets)), np.nan)
                for place, part in enumerate(columns[name]):
                    if part is not None:
                        if len(part) != len(partition[place % g]):
                            raise ValueError(f"`{name}` should have one value per target")
                        values[place // g, partition[place % g]] = np.array(part, dtype=np.float64)
                return values

            places = [(place // g, place % g) for place in range(n * g)]
            return cls(
                ids=tuple(columns["id"][::g]),
                target_names=targets,
                group_names=tuple(groups),
                partition=partition,
                given=coordinates("given"),
                predicted=coordinates("predicted"),
                responsibilities=matrix("responsibility"),
                mahalanobis=matrix("mahalanobis"),
                suggested=coordinates("suggested"),
                uncertainty=coordinates("uncertainty"),
                spread=None if table.column("spread").null_count == len(table) else matrix("spread"),
                kinds={p: v for p, v in zip(places, columns["error_kind"], strict=True) if v is not None},
                why={p: v for p, v in zip(places, columns["why"], strict=True) if v is not None},
                periods=about.periods,
                whole_ids=pa.types.is_integer(table.schema.field("id").type),
            )


@dataclass(frozen=True)
class _Targets:
    """The metadata of a file of scores: names of the targets, columns of each group, and periods."""

    targets: tuple[str, ...]
    groups: dict[str, tuple[int, ...]]
    periods: tuple[float, ...] | None


def write_parts(path: Path, parts: Iterable[ScoredLabels]) -> None:
    """Write scores part by part. The file is the same as if `ScoredLabels.write` wrote all parts at once.

    Parameters
    ----------
    path : Path
    parts : iterable of ScoredLabels
        Scores of some of the samples, at least one part. All parts must have the same targets. Only one part at a time
        is in memory.
    """
    write_table(path, (_stored(part, path) for part in parts))


def _stored(part: ScoredLabels, path: Path) -> pa.Table:
    return without_lists(part.table()) if is_csv(path) else part.table().replace_schema_metadata(part._metadata())


def without_lists(table: pa.Table) -> pa.Table:
    """Return the table with each list as a string: numbers and `nan`, separated by spaces."""
    for place, name in enumerate(table.column_names):
        if pa.types.is_list(table.schema.field(name).type):
            rows: Sequence[Sequence[float | None] | None] = table.column(name).to_pylist()
            texts = [
                None if row is None else " ".join("nan" if value is None else f"{value:.10g}" for value in row)
                for row in rows
            ]
            table = table.set_column(place, name, pa.array(texts, pa.string()))
    return table
