"""The rows of a table of predictions and labels, read in batches. Error messages name the cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.scoring.ids import Digests, digest
from deepgum.audit.scoring.pairs import Pair, find_pairs
from deepgum.data.cell_format import CellFormat
from deepgum.data.column_patterns import find_columns
from deepgum.data.columns import Columns, column_batches, column_names
from deepgum.data.sets.table_ids import image_names
from deepgum.data.target_names import landmark_order
from deepgum.data.visibility import says_labelled, visibility_columns, zero_rows
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.mixture.partition import Groups

__all__ = ["IdColumn", "Layout", "Rows", "read_rows"]

Values = NDArray[np.float64]

BATCH = 2**18
"""Number of values in a batch of rows: a few megabytes."""


@dataclass(frozen=True)
class Layout:
    r"""The columns of a table and their roles.

    Attributes
    ----------
    path : Path
    pairs : tuple of Pair
        The targets. The x and y of a landmark are next to each other.
    id, image, runs : str or None
        Column of ids, column of image files and column of runs; None if there is no such column.
    visibilities : mapping of str to tuple of int
        Columns in which 0 means that a landmark has no label, each with the positions of its x and y in `pairs`.
    features : tuple of str
        Columns that a report shows beside a label. They are not read here.
    form : CellFormat
        How cells are read as numbers, and what marks a missing label.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "faces.csv"
    ...     _ = path.write_text("id,x1,x2,y1,y2,x1_hat,x2_hat,y1_hat,y2_hat\n")
    ...     layout = Layout.of(path)
    >>> layout.id, layout.names
    ('id', ('x1', 'y1', 'x2', 'y2'))
    """

    path: Path
    pairs: tuple[Pair, ...]
    id: str | None
    image: str | None
    runs: str | None = None
    visibilities: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    form: CellFormat = field(default_factory=CellFormat)

    @classmethod
    def of(
        cls,
        path: Path,
        pred: Sequence[str] = (),
        target: Sequence[str] = (),
        *,
        groups: Groups | None = None,
        id: str | None = None,
        image: str | None = None,
        runs: str | None = None,
        features: Sequence[str] = (),
        form: CellFormat | None = None,
    ) -> Layout:
        """Find the layout of a table from the names of its columns; see `find_pairs` for `pred` and `target`.

        By default a column named ``id`` holds the ids.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If the columns cannot be read or paired (see `column_names`, `find_pairs`), or the table has no column with
            the name in `id`, in `image`, in `runs` or in `features`.
        """
        columns = column_names(path)
        named = [name for name in (id, image, runs) if name is not None]
        shown = find_columns("features", features, columns, exclude=named)
        for parameter, name in (("id", id), ("image", image), ("runs", runs), *(("features", each) for each in shown)):
            if name is not None and name not in columns:
                found = f"The table has {listing(columns, most=20)}."
                raise InvalidParameterError(parameter, "a column of the table", name, found)
        if id is None and "id" in columns:
            id = "id"
        others = [name for name in (id, image, runs) if name is not None]
        pairs = find_pairs(columns, pred, target, exclude=[*others, *shown])
        order = landmark_order([pair.target for pair in pairs]) if groups is None or isinstance(groups, str) else None
        pairs = pairs if order is None else tuple(pairs[place] for place in order)
        places = {pair.target: place for place, pair in enumerate(pairs)}
        visibilities = {
            name: (places[x], places[y])
            for name, (x, y) in visibility_columns(columns).items()
            if says_labelled(name) and name not in places and x in places and y in places
        }
        return cls(path, pairs, id, image, runs, visibilities, tuple(shown), form or CellFormat())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(pair.target for pair in self.pairs)

    @property
    def columns(self) -> list[str]:
        """All columns that are read, each column once."""
        named = [name for name in (self.id, self.image, self.runs) if name is not None]
        return list(dict.fromkeys([*named, *(name for pair in self.pairs for name in pair), *self.visibilities]))

    @property
    def notices(self) -> tuple[str, ...]:
        """A sentence for the user about the columns of visibilities, if there are any."""
        if not self.visibilities:
            return ()
        return (
            f"A landmark with a 0 in its column of visibilities ({listing(list(self.visibilities))}) has no label. "
            "Leave these columns out of the table to score all landmarks.",
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a table.

    Attributes
    ----------
    places : sequence of str, length n
        Position of each row in the file, as messages show it: "line 2".
    names : sequence of str or None
        Values of the id column, or of the image column if there is no id column.
    images : sequence of str or None
    given, predicted : arrays (n, d)
    runs : sequence of str or None
        Values of the column of runs.
    whole_names : bool
        Whether `names` are whole numbers.
    """

    places: Sequence[str]
    names: Sequence[str] | None
    images: Sequence[str] | None
    given: Values
    predicted: Values
    runs: Sequence[str] | None = None
    whole_names: bool = False

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Return one `Rows` with the rows of all parts of a table."""

        def texts(name: str) -> list[str] | None:
            lists = [getattr(part, name) for part in parts]
            return None if lists[0] is None else [text for part in lists for text in part]

        given, predicted = (np.concatenate([getattr(part, name) for part in parts]) for name in ("given", "predicted"))
        return cls(texts("places") or [], texts("names"), texts("images"), given, predicted, texts("runs"))


def read_rows(layout: Layout) -> Iterator[Rows]:
    """Yield the rows of a table in their order, a few megabytes at a time.

    Raises
    ------
    InvalidDataError
        If the file cannot be read, a cell has the wrong type, or a label has no prediction. The message names the file,
        the line and the column.
    """
    rows = max(1, BATCH // (2 * len(layout.pairs)))
    for table in column_batches(layout.path, layout.columns, rows, layout.form):
        predicted = np.stack([table.numbers(pair.predicted, missing=True) for pair in layout.pairs], axis=1)
        given = np.stack([table.numbers(pair.target, missing=True) for pair in layout.pairs], axis=1)
        for name, xy in layout.visibilities.items():
            given[np.ix_(zero_rows(table, name), xy)] = np.nan
        given = layout.form.missing.removed(given)
        _check_predictions(table, layout.pairs, given, predicted)
        images = None if layout.image is None else image_names(table, layout.image)
        names = images if layout.id is None else table.texts(layout.id)
        runs = None if layout.runs is None else table.texts(layout.runs)
        whole = layout.id is not None and table.has_whole_numbers(layout.id)
        yield Rows(table.places, names, images, given, predicted, runs, whole)


def _check_predictions(table: Columns, pairs: Sequence[Pair], given: Values, predicted: Values) -> None:
    for pair, unpredicted in zip(pairs, (np.isnan(predicted) & ~np.isnan(given)).T, strict=True):
        expected = f"a prediction, because column {pair.target!r} has a label"
        table.refuse(pair.predicted, np.flatnonzero(unpredicted).tolist(), expected)


class IdColumn:
    """The ids of the samples of a table. The ids are complete after all rows are read.

    The ids are the unique values of the id column. If there is no id column, an id is the image file of the row, with
    the position of the row if this image has several rows. If there is no image column either, an id is the name of the
    table and the position of the row.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._digests, self._repeated = layout, Digests(), frozenset[bytes]()
        self.whole = layout.id is not None

    def add(self, rows: Rows) -> None:
        """Record the ids of some rows. Pass each row once, in the order of the table."""
        if rows.names is not None:
            self._digests.add(rows.names)
        self.whole = self.whole and rows.whole_names

    def check(self, parts: Iterable[Rows]) -> None:
        """Refuse repeated ids.

        Parameters
        ----------
        parts : iterable of Rows
            All rows, in the order of the table.

        Raises
        ------
        InvalidDataError
            If an id is repeated. The message names the first repeated id, its position and its column.
        """
        repeated = self._digests.repeated()
        self._repeated = self._digests.values_at(repeated)
        self._digests = Digests()
        if not repeated or self._layout.id is None:
            return
        first = 0
        for rows in parts:
            if repeated[0] < first + len(rows):
                assert rows.names is not None
                row = repeated[0] - first
                more = len(repeated) - 1
                others = f" {more:,} more {'are' if more > 1 else 'is'} repeated." if more else ""
                hint = "Name another column with --id, or leave --id out."
                raise InvalidDataError(
                    f"'{self._layout.path}', {rows.places[row]}, column {self._layout.id!r}: a cell should be a name "
                    f"that no other row has. Found {rows.names[row]!r}.{others} {hint}"
                )
            first += len(rows)

    def names_of(self, rows: Rows) -> list[str]:
        """Return the ids of some rows."""
        if rows.names is None:
            return [f"{self._layout.path.stem}:{place}" for place in rows.places]
        if not self._repeated:
            return list(rows.names)
        return [
            f"{name}:{place}" if digest(name) in self._repeated else name
            for name, place in zip(rows.names, rows.places, strict=True)
        ]
