"""The paper's tables from arrays: values by their definitions, stars and bold where the tests say so."""

import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.evaluation import compare_to_best
from deepgum.report.paper.conditions import Conditions
from deepgum.report.paper.paper_table import Cell
from deepgum.report.paper.published import TABLE1, TABLE2
from deepgum.report.paper.reproduced import figure4_table, table1, table2

NAN = float("nan")
HERE = Conditions("faces")
NAMES = ["LC", "RC", "LS"]


def landmark_errors(seed=0, n=80):
    base = np.random.default_rng(seed).gamma(2.0, 4.0, size=(n, 3))
    return {"l2": base + 2.0, "deepgum": base + 1.0, "huber": base + 3.0}


def cells(table, label):
    (row,) = (row for row in table.rows if row.label == label)
    ours = sum(not column.published for column in table.columns)
    return row.cells[:ours], row.cells[ours:]


def labels(table):
    return [row.label for row in table.rows]


def note(table, word):
    (found,) = (note for note in table.notes if word in note)
    return found


# Table 1


def test_table_1_has_the_mean_of_each_landmark_and_the_mean_of_the_means():
    errors = landmark_errors()
    errors = {
        method: np.where(np.arange(240).reshape(80, 3) % 7 == 1, NAN, values) for method, values in errors.items()
    }
    ours, _ = cells(table1(errors, NAMES, HERE, failure_threshold=5), "DeepGUM")
    means = np.nanmean(errors["deepgum"], axis=0)
    np.testing.assert_allclose([cell.value for cell in ours[:4]], [*means, means.mean()])


def test_failures_are_farther_than_the_threshold_over_observed_landmarks():
    table = table1({"l2": [[5.0, 5.1, NAN], [9.0, 1.0, 0.0]]}, NAMES, HERE, failure_threshold=5)
    ours, _ = cells(table, "$L_2$")
    assert ours[-1].value == pytest.approx(100 * 2 / 5)
    assert "test images 2; test landmarks 5" in table.notes[0]
    assert "farther than 5 pixels" in note(table, "Failures")


def test_the_papers_columns_are_those_of_landmarks_of_the_same_name_and_the_average():
    table = table1({"l2": [[1.0, 2.0]]}, ["RS", "left waistline"], HERE, failure_threshold=5)
    assert [(column.header, column.published) for column in table.columns] == [
        ("RS", False),
        ("left waistline", False),
        ("Avg.", False),
        ("failures (%)", False),
        ("RS", True),
        ("Avg.", True),
    ]
    assert {column.group for column in table.columns} == {"here (faces)", "paper (FLD, upper body, as published)"}
    assert [cell.value for cell in cells(table, "$L_2$")[1]] == [18.91, 15.80]


def test_stars_and_bold_are_our_best_methods_in_each_column():
    table = table1(landmark_errors(), NAMES, HERE, failure_threshold=5)
    best, published = cells(table, "DeepGUM")
    assert [(cell.stars, cell.best) for cell in best] == [("***", True)] * 4 + [("", True)]
    assert [(cell.stars, cell.best) for cell in published] == [("***", False)] * 4
    for label in ("$L_2$", "Huber"):
        assert not any(cell.stars or cell.best for cell in [*cells(table, label)[0], *cells(table, label)[1]])


def test_one_landmark_may_have_another_best_method_and_no_stars():
    errors = landmark_errors()
    errors["l2"][:, 1] = errors["deepgum"][:, 1] + np.random.default_rng(1).permutation(np.linspace(-1.0, 0.98, 80))
    table = table1(errors, NAMES, HERE, failure_threshold=5)
    l2, deepgum = cells(table, "$L_2$")[0], cells(table, "DeepGUM")[0]
    assert (l2[1].best, l2[1].stars) == (True, "")
    assert (deepgum[1].best, deepgum[1].stars) == (False, "")
    assert deepgum[0].stars == "***"


def test_a_landmark_without_labels_has_no_value():
    errors = {method: values * np.array([1, NAN, 1]) for method, values in landmark_errors().items()}
    ours, _ = cells(table1(errors, NAMES, HERE, failure_threshold=5), "DeepGUM")
    assert ours[1].missing
    assert ours[3].value == pytest.approx((ours[0].value + ours[2].value) / 2)


# Figure 4


def ages(seed=0, n=60):
    base = np.random.default_rng(seed).gamma(2.0, 3.0, size=n)
    return {"l2": base + 1.0, "deepgum": base}


def test_figure_4_has_mean_error_and_share_flagged_in_percent():
    errors = ages()
    table = figure4_table(errors, {"l2": None, "deepgum": 0.071}, HERE)
    ours, published = cells(table, "DeepGUM")
    assert ours == (Cell(float(errors["deepgum"].mean()), stars="***", best=True), Cell(100 * 0.071))
    assert [(cell.value, cell.stars) for cell in published] == [(5.08, "***"), (7, "")]
    assert cells(table, "$L_2$")[0][1].missing


def test_methods_of_the_paper_alone_have_a_row_and_ours_alone_do_too():
    table = figure4_table({**ages(), "cauchy": ages()["l2"], "mine": ages()["l2"]}, {}, HERE)
    assert labels(table) == [
        "$L_2$",
        "Huber [16]",
        "Biweight [4]",
        "Cauchy",
        "Dex [30]",
        "DexGUM",
        "DeepGUM",
        "mine",
    ]
    ours, published = cells(table, "Dex [30]")
    assert all(cell.missing for cell in ours)
    assert published[0].value == 5.25
    assert all(cell.missing for cell in cells(table, "Cauchy")[1])


@pytest.mark.parametrize(
    ("run", "beside", "said"),
    [
        (["deepgum"], "DeepGUM", "DeepGUM here is one run of SGD"),
        (["deepgum", "deepgum-alternate"], "DeepGUM (alternate)", "DeepGUM (alternate) is Algorithm 1 with"),
        (["deepgum", "deepgum-alternate", "deepgum-paper"], "DeepGUM (paper)", ""),
        (["l1"], "DeepGUM", ""),
    ],
)
def test_the_papers_deepgum_stands_beside_the_nearest_of_ours(run, beside, said):
    table = figure4_table(dict.fromkeys(["l2", *run], ages()["l2"]), {}, HERE)
    published = {row.label: row.cells[2] for row in table.rows if row.label.startswith("DeepGUM")}
    assert published.pop(beside).value == 5.08
    assert all(cell.missing for cell in published.values())
    remarks = [note for note in table.notes if "Algorithm 1" in note or "to the letter" in note]
    assert [remark.startswith(said) for remark in remarks] == ([True] if said else [])


def test_rows_of_the_mixture_stand_together_the_default_first():
    names = ["deepgum-authors", "deepgum-paper", "l2", "deepgum-alternate", "deepgum"]
    table = figure4_table(dict.fromkeys(names, ages()["l2"]), {}, HERE)
    expected = ["DeepGUM", "DeepGUM (alternate)", "DeepGUM (paper)", "DeepGUM (authors' code)"]
    assert [label for label in labels(table) if label.startswith("DeepGUM")] == expected


def test_an_oracle_is_neither_bold_nor_a_rival():
    errors = {**ages(), "oracle": ages()["deepgum"] - ages()["deepgum"].min()}
    table = figure4_table(errors, {}, HERE)
    (oracle,) = (row for row in table.rows if row.label.startswith("oracle"))
    assert oracle.cells[0].value < cells(table, "DeepGUM")[0][0].value
    assert (oracle.cells[0].best, oracle.cells[0].stars) == (False, "")
    assert cells(table, "DeepGUM")[0][0].stars == "***"
    assert "Oracles" in note(table, "Oracles")


def test_one_rival_that_is_as_good_takes_the_stars_and_the_note_says_which():
    errors = ages(n=400)
    errors["dexgum"] = np.random.default_rng(3).permutation(errors["deepgum"]) + 1e-6
    table = figure4_table(errors, {}, HERE)
    assert cells(table, "DeepGUM")[0][0] == Cell(float(errors["deepgum"].mean()), best=True)
    p = compare_to_best(errors).tests["dexgum"].p_value
    assert f"DexGUM p = {p:.3f}" in note(table, "(lowest mean) against")
    assert "L2 p < 0.001" in note(table, "(lowest mean) against")


def test_holms_correction_is_applied_and_noted():
    generator = np.random.default_rng(10)
    best = generator.gamma(2.0, 3.0, size=100) + 5
    errors = {"deepgum": best} | {f"m{i}": best + generator.normal(0.35, 1.0, 100) for i in range(6)}
    plain, corrected = (figure4_table(errors, {}, HERE, correction=name) for name in ("none", "holm"))
    assert cells(plain, "DeepGUM")[0][0].stars == compare_to_best(errors).stars == "**"
    assert cells(corrected, "DeepGUM")[0][0].stars == compare_to_best(errors, "holm").stars == "*"
    assert "not corrected" in note(plain, "Wilcoxon")
    assert "Holm's method" in note(corrected, "Wilcoxon")


def test_a_single_method_is_neither_bold_nor_tested():
    table = figure4_table({"l2": [4.0, 6.0]}, {}, HERE)
    assert cells(table, "$L_2$")[0][0] == Cell(5.0)
    assert "there are no tests" in "".join(table.notes)


# Table 2


def folds(seed=0, sizes=(30, 20, 25)):
    generator = np.random.default_rng(seed)
    base = [generator.gamma(2.0, 3.0, size=(size, 2)) for size in sizes]
    return {"l2": [fold + 1.0 for fold in base], "deepgum": base}


def test_table_2_has_mean_and_sample_deviation_over_folds():
    errors = folds()
    ours, published = cells(table2(errors, HERE), "DeepGUM")
    mae = [fold.mean() for fold in errors["deepgum"]]
    rmse = [np.sqrt((fold**2).mean()) for fold in errors["deepgum"]]
    for cell, values in zip(ours, (mae, rmse), strict=True):
        assert cell.value == pytest.approx(sum(values) / 3)
        assert cell.deviation == pytest.approx(np.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2))
    assert [cell.stars for cell in ours] == ["***", ""]
    assert [cell.best for cell in ours] == [True, True]
    assert [(cell.value, cell.deviation) for cell in published] == [(7.61, 1.00), (11.37, 1.34)]


def test_stars_of_table_2_are_of_all_folds_together():
    # Three samples per fold can never reach p < 0.05; twelve samples together can.
    small = {name: [fold[:3] for fold in parts] for name, parts in folds(sizes=(3, 3, 3, 3)).items()}
    expected = compare_to_best({name: np.concatenate(parts).mean(axis=1) for name, parts in small.items()})
    assert cells(table2(small, HERE), "DeepGUM")[0][0].stars == expected.stars == "***"
    assert cells(table2({name: parts[:1] for name, parts in small.items()}, HERE), "DeepGUM")[0][0].stars == ""


def test_what_is_tested_in_table_2_is_the_mean_over_coordinates_of_each_sample():
    generator = np.random.default_rng(4)
    errors = {name: [generator.gamma(1.0, 3.0, size=(20, 2)) for _ in range(3)] for name in ("l2", "deepgum")}
    expected = compare_to_best({name: np.concatenate(parts).mean(axis=1) for name, parts in errors.items()})
    (test,) = expected.tests.values()
    assert test.p_value > 0.001
    assert f"p = {test.p_value:.3f}" in note(table2(errors, HERE), "(lowest mean) against")


def test_no_stars_where_the_mean_of_folds_and_of_samples_disagree():
    # l2 is the lower of the two on the average of folds, deepgum on the average of samples.
    errors = {
        "l2": [np.full((2, 1), 1.0), np.full((50, 1), 5.0)],
        "deepgum": [np.full((2, 1), 9.0), np.full((50, 1), 4.0)],
    }
    table = table2(errors, HERE)
    assert [(cells(table, name)[0][0].best, cells(table, name)[0][0].stars) for name in ("$L_2$", "DeepGUM")] == [
        (True, ""),
        (False, ""),
    ]


def test_one_fold_has_no_deviation_and_missing_coordinates_are_left_out():
    table = table2({"l2": [[[3.0, NAN], [NAN, NAN], [5.0, 1.0]]]}, HERE)
    ours, _ = cells(table, "$L_2$")
    assert ours == (Cell(3.0), Cell(pytest.approx(np.sqrt(35 / 3))))
    assert "folds 1; test samples 3" in table.notes[0]


def test_rows_of_table_2_are_in_the_papers_order():
    assert labels(table2(folds(), HERE))[:5] == [row.name for row in TABLE2.rows[:5]]


# What all have


def test_every_number_that_the_scale_changed_stands_below_the_table():
    here = Conditions(
        "faces",
        "cpu",
        {"image side in pixels": (224, 48), "learning rate": (1e-4, 1e-3), "network": ("VGG-16", "facenet")},
        seeds=(0, 1),
        counts={"training": 3000},
        remarks=["A remark."],
    )
    for table in (table1(landmark_errors(), NAMES, here, failure_threshold=5), table2(folds(), here)):
        assert note(table, "Scale cpu") == (
            "Scale cpu changes (paper → here): image side in pixels 224 → 48; learning rate 0.0001 → 0.001; "
            "network VGG-16 → facenet."
        )
        assert table.notes[0].startswith("Ours: faces; training 3,000; ")
        assert table.notes[0].endswith("; seeds 0, 1.")
        assert "A remark." in table.notes
    with pytest.raises(InvalidParameterError, match="every number that the scale 'cpu' changes"):
        Conditions("faces", "cpu")


def test_the_source_and_the_rule_of_ties_stand_below_the_table():
    table = table1(landmark_errors(), NAMES, HERE, failure_threshold=5)
    assert TABLE1.source in note(table, "as published")
    assert "Pairs of equal errors have no rank" in note(table, "Wilcoxon")
    assert "n - 1" in note(table2(folds(), HERE), "standard deviation")


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ({}, "at least one method"),
        ({"l2": [1.0, 2.0], "l1": [1.0]}, r"errors\['l1'\].*shape.*\(2,\).*Found shape \(1,\)"),
        ({"l2": [[1.0]]}, "1 dimension"),
        ({"l2": [-1.0, np.inf]}, "1 negative and 1 infinite"),
        ({"l2": [1.0, 2.0], "l1": [1.0, NAN]}, "missing values in the same places as 'l2'. Found 1"),
        ({"l2": [NAN]}, "at least one error"),
    ],
)
def test_errors_that_cannot_be_compared_are_refused(errors, message):
    with pytest.raises(InvalidDataError, match=message):
        figure4_table(errors, {}, HERE)


def test_other_bad_input_is_refused():
    with pytest.raises(UnknownNameError, match="flagged"):
        figure4_table(ages(), {"l1": 0.1}, HERE)
    with pytest.raises(InvalidParameterError, match="flagged"):
        figure4_table(ages(), {"l2": 7}, HERE)
    with pytest.raises(InvalidDataError, match="3 names"):
        table1(landmark_errors(), ["LC"], HERE, failure_threshold=5)
    with pytest.raises(InvalidParameterError, match="failure_threshold"):
        table1(landmark_errors(), NAMES, HERE, failure_threshold=0)
    with pytest.raises(InvalidDataError, match="the same number of folds"):
        table2({"l2": [[[1.0]]], "l1": []}, HERE)
    with pytest.raises(InvalidDataError, match="the same number of folds"):
        table2({}, HERE)
    with pytest.raises(InvalidDataError, match=r"fold 1: .*at least one error"):
        table2({"l2": [[[1.0]], [[NAN]]]}, HERE)
    for call in (
        lambda: figure4_table(ages(), {}, HERE, correction="holms"),
        lambda: table2(folds(), HERE, correction=""),
    ):
        with pytest.raises(UnknownNameError):
            call()
