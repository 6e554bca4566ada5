"""The paper's tables from our own errors: Table 1 (landmarks), the table of Figure 4 (age) and Table 2 (head pose)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from deepgum.checks import check_choice, check_fraction, check_positive
from deepgum.errors import InvalidDataError
from deepgum.report.paper.conditions import Conditions
from deepgum.report.paper.marked import (
    CORRECTIONS,
    Correction,
    checked_errors,
    compared,
    exceeds,
    lowest,
    mean,
    over_folds,
    significance_notes,
)
from deepgum.report.paper.paper_table import Cell, Column, PaperTable, Row
from deepgum.report.paper.published import FIGURE4, TABLE1, TABLE2, PublishedRow, PublishedTable
from deepgum.report.style import is_oracle, method_style

__all__ = ["figure4_table", "table1", "table2"]

# The paper's order, with the methods that it does not have beside their kin.
_ORDER = (
    "l2",
    "l1",
    "huber",
    "biweight",
    "cauchy",
    "dex",
    "dexgum",
    "deepgum",
    "deepgum-alternate",
    "deepgum-paper",
    "deepgum-authors",
)
# What the paper's own DeepGUM stands beside, the nearest to it first, and how what is not it to the letter differs.
_STAND_INS = {
    "deepgum-paper": "",
    "deepgum-alternate": "{} is Algorithm 1 with this library's choices, and not the paper's method to the letter.",
    "deepgum": "{} here is one run of SGD with EM after every epoch, and not the paper's Algorithm 1.",
}


def table1(
    errors: Mapping[str, ArrayLike],
    landmark_names: Sequence[str],
    conditions: Conditions,
    *,
    failure_threshold: float,
    published: bool = True,
    correction: Correction = "none",
) -> PaperTable:
    """Return Table 1: MAE per landmark and in average, and the percentage of failures.

    The average is the mean of the landmarks' columns, as the paper's is. Stars are given column by column: on the
    landmark's own errors, and for the average on each image's mean over its observed landmarks. The paper's columns are
    those of landmarks of the same name, and its average.

    Parameters
    ----------
    errors : mapping of method to array (n, l)
        Distance of each landmark of each test image in pixels; NaN where it has no label, the same for all methods.
    landmark_names : sequence of str, length l
        As the paper's, where they are the paper's: LC RC LS RS LH RH.
    conditions : Conditions
    failure_threshold : float
        In pixels; a landmark farther (not as far) from its label counts as a failure, over all observed landmarks.
    published : bool
        Whether these are the landmarks that the paper prints values for.
    correction : {"none", "holm"}
        For the number of tests.

    Raises
    ------
    InvalidDataError
        The errors are none, not of one shape, negative, infinite, or missing in other places in different methods; or
        there is not a name a landmark.
    InvalidParameterError, UnknownNameError
        The threshold is not above 0, or there is no such correction.

    Examples
    --------
    >>> table = table1({"l2": [[1.0, 3.0]]}, ["LC", "RC"], Conditions("FLD"), failure_threshold=2.0)
    >>> [column.header for column in table.columns]
    ['LC', 'RC', 'Avg.', 'failures (%)', 'LC', 'RC', 'Avg.']
    >>> [cell.value for cell in table.rows[2].cells]
    [1.0, 3.0, 2.0, 50.0, 12.08, 12.08, 15.8]
    """
    check_positive("failure_threshold", failure_threshold)
    check_choice("correction", correction, CORRECTIONS)
    arrays = checked_errors(errors, 2)
    n, landmarks = next(iter(arrays.values())).shape
    if len(landmark_names) != landmarks:
        raise InvalidDataError(
            f"`landmark_names` should hold {landmarks} names, one a landmark. Found {len(landmark_names)}."
        )
    each = {method: mean(values, axis=0) for method, values in arrays.items()}
    columns = []
    for index in range(landmarks):
        single = {method: values[:, index] for method, values in arrays.items()}
        columns.append(compared(single, {method: float(each[method][index]) for method in arrays}, correction)[0])
    images = {method: mean(values, axis=1) for method, values in arrays.items()}
    average, comparison = compared(images, {m: float(mean(values)) for m, values in each.items()}, correction)
    failures = {m: 100 * float(mean(exceeds(values, failure_threshold))) for m, values in arrays.items()}
    columns += [average, lowest(failures)]

    group = f"here ({conditions.dataset})"
    headers = [Column(name, group) for name in [*landmark_names, "Avg."]] + [Column("failures (%)", group, digits=1)]
    observed = int((~np.isnan(next(iter(arrays.values())))).sum())
    notes = [
        *conditions.sentences(**{"test images": n, "test landmarks": observed}),
        "MAE: mean distance between landmark and prediction; Avg.: mean of the landmarks' columns.",
        f"Failures: landmarks farther than {failure_threshold:g} pixels from the truth. "
        "The paper's main text prints neither percentage nor threshold.",
        *significance_notes(comparison, correction, "each landmark's errors, and for Avg. on the images' mean errors"),
    ]
    shown = [name for name in TABLE1.columns if published and name in [*landmark_names, "Avg."]]
    return _table(TABLE1, conditions, headers, columns, shown, notes)


def figure4_table(
    errors: Mapping[str, ArrayLike],
    flagged: Mapping[str, float | None],
    conditions: Conditions,
    *,
    correction: Correction = "none",
) -> PaperTable:
    """Return the table of Figure 4: MAE of the age in years, and the share of training images that is flagged.

    Parameters
    ----------
    errors : mapping of method to array (n,)
        Absolute error of each test image in years.
    flagged : mapping of method to float or None
        Share of the training images, in [0, 1]; None, or left out, for a method without a rule for outliers.
    conditions, correction
        As in `table1`.

    Raises
    ------
    InvalidDataError
        As `table1`.
    InvalidParameterError, UnknownNameError
        A share is not in [0, 1], or of a method without errors; or there is no such correction.

    Examples
    --------
    >>> table = figure4_table({"l2": [4.0, 6.0], "dex": [3.0, 5.0]}, {"dex": None}, Conditions("UTKFace"))
    >>> [(row.label, row.cells[0].value, row.cells[2].value) for row in table.rows][:2]
    [('$L_2$', 5.0, 5.75), ('Huber [16]', None, 5.59)]
    """
    check_choice("correction", correction, CORRECTIONS)
    arrays = checked_errors(errors, 1)
    shares: dict[str, Cell] = {}
    for method, share in flagged.items():
        check_choice("flagged", method, arrays)
        if share is not None:
            shares[method] = Cell(100 * check_fraction(f"flagged[{method!r}]", share))
    cells, comparison = compared(arrays, {method: float(mean(values)) for method, values in arrays.items()}, correction)
    group = f"here ({conditions.dataset})"
    notes = [
        *conditions.sentences(**{"test images": len(next(iter(arrays.values())))}),
        *significance_notes(comparison, correction, "the images' absolute errors"),
    ]
    headers = [Column("MAE", group), Column("flagged (%)", group, digits=1)]
    return _table(FIGURE4, conditions, headers, [cells, shares], FIGURE4.columns, notes)


def table2(
    fold_errors: Mapping[str, Sequence[ArrayLike]], conditions: Conditions, *, correction: Correction = "none"
) -> PaperTable:
    """Return Table 2: MAE and RMSE of head pose, mean ± standard deviation over the folds of a cross-validation.

    In each fold MAE is the mean absolute error over its samples and coordinates, and RMSE the root of the mean squared
    error over the same. The standard deviation is that of a sample of folds (ddof = 1); the paper does not say which
    its own is. Stars: on the per-sample errors, means over the coordinates, of all folds put together.

    Parameters
    ----------
    fold_errors : mapping of method to sequence of arrays (n_fold, d)
        Absolute error of each coordinate of each test sample, fold by fold; NaN where there is no label.
    conditions, correction
        As in `table1`.

    Raises
    ------
    InvalidDataError
        As `table1`; or the methods do not have the same folds, or a fold has no label.

    Examples
    --------
    >>> table = table2({"l2": [[[1.0], [7.0]], [[2.0], [2.0]]]}, Conditions("BIWI"))
    >>> [cell.number(2) for cell in table.rows[4].cells]
    ['3.00 ± 1.41', '3.50 ± 2.12', '8.60 ± 1.18', '12.03 ± 1.66']
    """
    check_choice("correction", correction, CORRECTIONS)
    counts = {method: len(folds) for method, folds in fold_errors.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise InvalidDataError(f"`fold_errors` should hold as many folds a method, at least one. Found {counts}.")
    by_fold = [
        checked_errors({method: folds[index] for method, folds in fold_errors.items()}, 2, f"fold {index}: ")
        for index in range(next(iter(counts.values())))
    ]
    mae = {m: over_folds([float(mean(fold[m])) for fold in by_fold]) for m in fold_errors}
    rmse = {m: over_folds([float(mean(fold[m] ** 2)) ** 0.5 for fold in by_fold]) for m in fold_errors}
    samples = {m: np.concatenate([mean(fold[m], axis=1) for fold in by_fold]) for m in fold_errors}
    marks, comparison = compared(samples, _values(mae), correction)
    lowest_rmse = lowest(_values(rmse))
    columns = [
        {m: replace(mae[m], stars=marks[m].stars, best=marks[m].best) for m in fold_errors},
        {m: replace(rmse[m], best=lowest_rmse[m].best) for m in fold_errors},
    ]
    group = f"here ({conditions.dataset})"
    notes = [
        *conditions.sentences(**{"folds": len(by_fold), "test samples": len(next(iter(samples.values())))}),
        "MAE and RMSE over the samples and coordinates of each fold: mean ± standard deviation over the folds "
        "(n - 1 in the denominator; the paper does not say what stands in its own).",
        *significance_notes(comparison, correction, "the samples' mean absolute errors, all folds together"),
    ]
    return _table(TABLE2, conditions, [Column("MAE", group), Column("RMSE", group)], columns, TABLE2.columns, notes)


def _table(
    paper: PublishedTable,
    conditions: Conditions,
    headers: Sequence[Column],
    columns: Sequence[Mapping[str, Cell]],
    shown: Sequence[str],
    notes: Sequence[str],
) -> PaperTable:
    """Put our columns, a mapping of method to cell each, beside those of the paper that are shown."""
    ours = list(columns[0])
    group = f"paper ({paper.dataset}, as published)"
    theirs = [Column(name, group, True, paper.digits[paper.columns.index(name)]) for name in shown]
    stand_in = next((name for name in _STAND_INS if name in ours), "deepgum-paper")
    printed = paper.rows if shown else ()
    known = {stand_in if row.method == "deepgum" else row.method: row for row in printed if row.method}
    order = {method: index for index, method in enumerate(_ORDER)}
    methods = sorted(dict.fromkeys([*known, *ours]), key=lambda method: order.get(method, len(order)))

    def row(label: str, published: PublishedRow | None, method: str | None = None) -> Row:
        mine = [column.get(method or "", Cell()) for column in columns]
        values = [None if published is None else published.values[paper.columns.index(name)] for name in shown]
        return Row(label, (*mine, *(Cell() if v is None else Cell(v.value, v.deviation, v.stars) for v in values)))

    rows = [row(quoted.name, quoted) for quoted in printed if quoted.method is None]
    for method in methods:
        label = method_style(method).label if method in ours else known[method].name
        rows.append(row(label, known.get(method), method))
    about = [f"Paper: {paper.source}, on {paper.dataset}; numbers in brackets are its references.", *paper.remarks]
    if not shown:
        about = ["The paper's main text prints no values for these."]
    elif stand_in in ours and _STAND_INS[stand_in]:
        about.append(_STAND_INS[stand_in].format(method_style(stand_in).label))
    if any(map(is_oracle, ours)):
        about.append("Oracles were told which labels are wrong: they take no part in the tests and are never bold.")
    title = f"{paper.number} of the paper, on {conditions.dataset}: errors in {paper.unit}"
    return PaperTable(title, (*headers, *theirs), tuple(rows), (*notes, *about))


def _values(cells: Mapping[str, Cell]) -> dict[str, float]:
    return {method: cell.value for method, cell in cells.items() if cell.value is not None}
