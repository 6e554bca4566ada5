"""Values that the paper publishes in its tables. This library did not compute any of them.

Our tables show these values in separate columns. Signs, stars and method names are as in the paper. A number in
brackets after a method name is an entry of the paper's bibliography. The tests check the values against the paper's
text. Where the paper contradicts itself, we keep the printed value: in Table 1, the average in each of the two DFA rows
is not the mean of the six landmarks (22.85 is printed instead of 22.81, and 15.23 instead of 15.64). In all other rows,
the average is the mean of the landmarks, except for rounding.

References
----------
.. [1] Lathuilière, Mesejo, Alameda-Pineda and Horaud, "DeepGUM: Learning Deep Robust Regression with a
   Gaussian-Uniform Mixture Model", ECCV 2018: Tables 1 and 2, the table of Figure 4, sections 4.1 and 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIGURE4", "TABLE1", "TABLE2", "PublishedRow", "PublishedTable", "PublishedValue"]


@dataclass(frozen=True)
class PublishedValue:
    """One value that the paper prints.

    Attributes
    ----------
    value : float
    deviation : float or None
        Standard deviation, which the paper prints after the sign ±. None if the paper prints none.
    stars : str
        Stars of significance. The paper prints some stars after the name of a method. Here these stars belong to the
        MAE of the method.
    """

    value: float
    deviation: float | None = None
    stars: str = ""


@dataclass(frozen=True)
class PublishedRow:
    """One method of a table of the paper.

    Attributes
    ----------
    name : str
        The name of the method in the paper.
    method : str or None
        The name of the method in this library. None if this library does not have the method.
    values : tuple of PublishedValue or None, one per column
        The values of the method. None where the paper has a dash or no value.
    """

    name: str
    method: str | None
    values: tuple[PublishedValue | None, ...]


@dataclass(frozen=True)
class PublishedTable:
    """One table of the paper.

    Attributes
    ----------
    number, dataset, unit : str
        Number of the table or figure, for example "Table 1"; name of the data set; unit of the errors.
    columns : tuple of str
    digits : tuple of int, one per column
        Number of decimals of the values in each column.
    rows : tuple of PublishedRow
        Rows in the paper's order.
    remarks : tuple of str
        Remarks about the values, from the paper.

    Examples
    --------
    >>> TABLE2.source
    'as published, ECCV 2018 paper, Table 2'
    >>> TABLE2.value("deepgum", "MAE")
    PublishedValue(value=7.61, deviation=1.0, stars='***')
    """

    number: str
    dataset: str
    unit: str
    columns: tuple[str, ...]
    digits: tuple[int, ...]
    rows: tuple[PublishedRow, ...]
    remarks: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The source of the values as a string, for a note below a table."""
        return f"as published, ECCV 2018 paper, {self.number}"

    def row(self, method: str) -> PublishedRow | None:
        """Return the row for a method of this library, or None if the paper's table has no row for this method."""
        return next((row for row in self.rows if row.method == method), None)

    def value(self, method: str, column: str) -> PublishedValue | None:
        """Return one value for a method of this library, or None if the paper's table does not have this value."""
        row = self.row(method)
        return row.values[self.columns.index(column)] if row is not None and column in self.columns else None


def _row(name: str, method: str | None, *values: float | None, stars: str = "") -> PublishedRow:
    return PublishedRow(name, method, tuple(None if v is None else PublishedValue(v, stars=stars) for v in values))


def _folds(
    name: str, method: str | None, mae: tuple[float, float] | None, rmse: tuple[float, float], stars: str = ""
) -> PublishedRow:
    return PublishedRow(name, method, (None if mae is None else PublishedValue(*mae, stars), PublishedValue(*rmse)))


TABLE1 = PublishedTable(
    number="Table 1",
    dataset="FLD, upper body",
    unit="pixels",
    columns=("LC", "RC", "LS", "RS", "LH", "RH", "Avg."),
    digits=(2,) * 7,
    rows=(
        _row("DFA [23] ($L_2$)", None, 15.90, 15.90, 30.02, 29.12, 23.07, 22.85, 22.85),
        _row("DFA [23] (5 VGG)", None, 10.75, 10.75, 20.38, 19.93, 15.90, 16.12, 15.23),
        _row("$L_2$", "l2", 12.08, 12.08, 18.87, 18.91, 16.47, 16.40, 15.80),
        _row("Huber [16]", "huber", 14.32, 13.71, 20.85, 19.57, 20.06, 19.99, 18.08),
        _row("Biweight [4]", "biweight", 13.32, 13.29, 21.88, 21.84, 18.49, 18.44, 17.88),
        _row("DeepGUM", "deepgum", 11.97, 11.99, 18.59, 18.50, 16.44, 16.29, 15.63, stars="***"),
    ),
    remarks=("The paper quotes the DFA rows from their authors; they take no part in its statistical comparison.",),
)
"""MAE per landmark on fashion images: left (L) and right (R) collar (C), sleeve (S) and hem (H)."""

FIGURE4 = PublishedTable(
    number="Figure 4",
    dataset="CACD",
    unit="years",
    columns=("MAE", "flagged (%)"),
    digits=(2, 0),
    rows=(
        _row("$L_2$", "l2", 5.75, None),
        _row("Huber [16]", "huber", 5.59, None),
        _row("Biweight [4]", "biweight", 5.55, None),
        _row("Dex [30]", "dex", 5.25, None),
        PublishedRow("DexGUM", "dexgum", (PublishedValue(5.14, stars="***"), None)),
        PublishedRow("DeepGUM", "deepgum", (PublishedValue(5.08, stars="***"), PublishedValue(7))),
    ),
    remarks=("The paper finds DexGUM and DeepGUM better than the rest, and no difference between the two.",),
)
"""MAE of age; the flagged share is from the text of section 4.2."""

TABLE2 = PublishedTable(
    number="Table 2",
    dataset="McGill",
    unit="degrees",
    columns=("MAE", "RMSE"),
    digits=(2, 2),
    rows=(
        _folds("Xiong et al. [42]†", None, None, (29.81, 7.73)),
        _folds("Zhu and Ramanan [43]†", None, None, (35.70, 7.48)),
        _folds("Demirkus et al. [9]†", None, None, (12.41, 1.60)),
        _folds("Drouard et al. [10]", None, (12.22, 6.42), (23.00, 9.42)),
        _folds("$L_2$", "l2", (8.60, 1.18), (12.03, 1.66)),
        _folds("Huber [16]", "huber", (8.11, 1.08), (11.79, 1.59)),
        _folds("Biweight [4]", "biweight", (7.81, 1.31), (11.56, 1.95)),
        _folds("DeepGUM", "deepgum", (7.61, 1.00), (11.37, 1.34), stars="***"),
    ),
    remarks=(
        "† The paper: uses extra training data.",
        "The paper quotes its first four rows from their authors; they take no part in its statistical comparison.",
    ),
)
"""MAE and RMSE of the yaw angle, mean ± standard deviation over 7 folds."""
