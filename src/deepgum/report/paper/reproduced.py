"""The paper's tables with our own errors: Table 1 (landmarks), the table of Figure 4 (age) and Table 2 (head pose)."""

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
    check_errors,
    compare_errors,
    exceeds,
    mark_lowest,
    mean,
    significance_notes,
    summarise_folds,
)
from deepgum.report.paper.paper_table import Cell, Column, PaperTable, Row
from deepgum.report.paper.published import FIGURE4, TABLE1, TABLE2, PublishedRow, PublishedTable
from deepgum.report.style import is_oracle, method_style

__all__ = ["figure4_table", "table1", "table2"]

# The order of the paper. A method that the paper does not have follows a similar method.
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
# The paper's values of DeepGUM are in the row of the first of these methods that has errors. The note says how the
# method differs from the paper's.
_STAND_INS = {
    "deepgum-paper": "",
    "deepgum-alternate": "{} is Algorithm 1 with this library's choices, and not exactly the paper's method.",
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
    """Return Table 1: the MAE per landmark, the average of these MAEs, and the percentage of failures.

    As in the paper, the average is the mean of the columns of the landmarks. The stars in the column of a landmark are
    from a test on the errors of this landmark. The stars of the average are from a test on the mean error of each image
    over its observed landmarks. The columns with the paper's values are the average and those landmarks of the paper
    that are in `landmark_names`.

    Parameters
    ----------
    errors : mapping of method to array (n, l)
        Error of each landmark in each test image, as a distance in pixels. NaN marks a missing label. All methods must
        have NaN in the same places.
    landmark_names : sequence of str, length l
        Names of the landmarks. Landmarks of the paper must have the paper's names: LC, RC, LS, RS, LH and RH.
    conditions : Conditions
    failure_threshold : float
        Distance in pixels above which an observed landmark counts as a failure.
    published : bool
        Whether the paper has values for these landmarks.
    correction : {"none", "holm"}
        Correction for the number of tests.

    Raises
    ------
    InvalidDataError
        If there are no errors; if the arrays differ in shape, have negative or infinite values, or have NaN in
        different places; or if there is not one name per landmark.
    InvalidParameterError, UnknownNameError
        If the threshold is not above 0, or the correction is unknown.

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
    arrays = check_errors(errors, 2)
    n, landmarks = next(iter(arrays.values())).shape
    if len(landmark_names) != landmarks:
        raise InvalidDataError(
            f"`landmark_names` should hold {landmarks} names, one per landmark. Found {len(landmark_names)} names."
        )
    each = {method: mean(values, axis=0) for method, values in arrays.items()}
    columns = []
    for index in range(landmarks):
        single = {method: values[:, index] for method, values in arrays.items()}
        columns.append(compare_errors(single, {method: float(each[method][index]) for method in arrays}, correction)[0])
    images = {method: mean(values, axis=1) for method, values in arrays.items()}
    average, comparison = compare_errors(images, {m: float(mean(values)) for m, values in each.items()}, correction)
    failures = {m: 100 * float(mean(exceeds(values, failure_threshold))) for m, values in arrays.items()}
    columns += [average, mark_lowest(failures)]

    group = f"here ({conditions.dataset})"
    headers = [Column(name, group) for name in [*landmark_names, "Avg."]] + [Column("failures (%)", group, digits=1)]
    observed = int((~np.isnan(next(iter(arrays.values())))).sum())
    notes = [
        *conditions.sentences(**{"test images": n, "test landmarks": observed}),
        "MAE: mean distance between landmark and prediction; Avg.: mean of the landmarks' columns.",
        f"Failures: landmarks predicted farther than {failure_threshold:g} pixels from their labels. "
        "The paper's main text prints neither the percentage nor the threshold.",
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
    """Return the table of Figure 4: the MAE of the age in years, and the share of the training images that are flagged.

    Parameters
    ----------
    errors : mapping of method to array (n,)
        Absolute error of each test image in years.
    flagged : mapping of method to float or None
        Share of the training images that the method flags, in [0, 1]. A method without a flag rule has None or no
        entry.
    conditions, correction
        See `table1`.

    Raises
    ------
    InvalidDataError
        As in `table1`.
    InvalidParameterError, UnknownNameError
        If a share is not in [0, 1], if a method with a share has no errors, or if the correction is unknown.

    Examples
    --------
    >>> table = figure4_table({"l2": [4.0, 6.0], "dex": [3.0, 5.0]}, {"dex": None}, Conditions("UTKFace"))
    >>> [(row.label, row.cells[0].value, row.cells[2].value) for row in table.rows][:2]
    [('$L_2$', 5.0, 5.75), ('Huber [16]', None, 5.59)]
    """
    check_choice("correction", correction, CORRECTIONS)
    arrays = check_errors(errors, 1)
    shares: dict[str, Cell] = {}
    for method, share in flagged.items():
        check_choice("flagged", method, arrays)
        if share is not None:
            shares[method] = Cell(100 * check_fraction(f"flagged[{method!r}]", share))
    cells, comparison = compare_errors(
        arrays, {method: float(mean(values)) for method, values in arrays.items()}, correction
    )
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
    """Return Table 2: MAE and RMSE of head pose, as mean ± standard deviation over the folds of a cross-validation.

    The MAE of a fold is the mean absolute error over its samples and coordinates; the RMSE is the root of the mean
    squared error over the same values. The standard deviation has ddof = 1; the paper does not say which ddof it uses.
    The stars are from a test on the mean error of each sample over its coordinates, with the samples of all folds
    together.

    Parameters
    ----------
    fold_errors : mapping of method to sequence of arrays (n_fold, d)
        For each fold, the absolute error of each coordinate of each test sample. NaN marks a missing label.
    conditions, correction
        See `table1`.

    Raises
    ------
    InvalidDataError
        As in `table1`. Also if the methods do not have the same folds, or if a fold has no label.

    Examples
    --------
    >>> table = table2({"l2": [[[1.0], [7.0]], [[2.0], [2.0]]]}, Conditions("BIWI"))
    >>> [cell.number(2) for cell in table.rows[4].cells]
    ['3.00 ± 1.41', '3.50 ± 2.12', '8.60 ± 1.18', '12.03 ± 1.66']
    """
    check_choice("correction", correction, CORRECTIONS)
    counts = {method: len(folds) for method, folds in fold_errors.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise InvalidDataError(
            f"`fold_errors` should hold the same number of folds for each method, at least 1. Found {counts}."
        )
    by_fold = [
        check_errors({method: folds[index] for method, folds in fold_errors.items()}, 2, f"fold {index}: ")
        for index in range(next(iter(counts.values())))
    ]
    mae = {m: summarise_folds([float(mean(fold[m])) for fold in by_fold]) for m in fold_errors}
    rmse = {m: summarise_folds([float(mean(fold[m] ** 2)) ** 0.5 for fold in by_fold]) for m in fold_errors}
    samples = {m: np.concatenate([mean(fold[m], axis=1) for fold in by_fold]) for m in fold_errors}
    marks, comparison = compare_errors(samples, _values(mae), correction)
    lowest_rmse = mark_lowest(_values(rmse))
    columns = [
        {m: replace(mae[m], stars=marks[m].stars, best=marks[m].best) for m in fold_errors},
        {m: replace(rmse[m], best=lowest_rmse[m].best) for m in fold_errors},
    ]
    group = f"here ({conditions.dataset})"
    notes = [
        *conditions.sentences(**{"folds": len(by_fold), "test samples": len(next(iter(samples.values())))}),
        "MAE and RMSE over the samples and coordinates of each fold: mean ± standard deviation over the folds "
        "(n - 1 in the denominator; the paper does not name its own denominator).",
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
    """Return a table: first columns with our values, then the columns of the paper that are named in `shown`.

    `headers` and `columns` describe the columns with our values. An element of `columns` maps a method to a cell.
    """
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

    rows = [row(other.name, other) for other in printed if other.method is None]
    for method in methods:
        label = method_style(method).label if method in ours else known[method].name
        rows.append(row(label, known.get(method), method))
    remarks = [f"Paper: {paper.source}, on {paper.dataset}; numbers in brackets are its references.", *paper.remarks]
    if not shown:
        remarks = ["The paper's main text prints no values for these landmarks."]
    elif stand_in in ours and _STAND_INS[stand_in]:
        remarks.append(_STAND_INS[stand_in].format(method_style(stand_in).label))
    if any(map(is_oracle, ours)):
        remarks.append("Oracles know which labels are wrong: they take no part in the tests and are never bold.")
    title = f"{paper.number} of the paper, on {conditions.dataset}: errors in {paper.unit}"
    return PaperTable(title, (*headers, *theirs), tuple(rows), (*notes, *remarks))


def _values(cells: Mapping[str, Cell]) -> dict[str, float]:
    return {method: cell.value for method, cell in cells.items() if cell.value is not None}
