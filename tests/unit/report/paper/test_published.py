"""The paper's values agree with the paper's text, and are consistent."""

from dataclasses import FrozenInstanceError

import pytest

from deepgum.report.paper.published import FIGURE4, TABLE1, TABLE2

TABLES = (TABLE1, FIGURE4, TABLE2)


def mae(table, method, column):
    return table.value(method, column).value


@pytest.mark.parametrize("row", TABLE1.rows, ids=lambda row: row.name)
def test_averages_of_table_1_are_the_means_of_their_landmarks_but_for_dfa(row):
    *landmarks, average = (value.value for value in row.values)
    # Seven printed values, each rounded to 0.01.
    agrees = abs(sum(landmarks) / 6 - average) <= 0.005 + 0.005 + 1e-9
    assert agrees == (not row.name.startswith("DFA"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.number)
def test_a_row_has_one_value_per_column_and_a_method_occurs_once(table):
    assert len(table.digits) == len(table.columns)
    assert all(len(row.values) == len(table.columns) for row in table.rows)
    assert len({row.name for row in table.rows}) == len(table.rows)
    methods = [row.method for row in table.rows if row.method]
    assert len(set(methods)) == len(methods)
    assert {"l2", "huber", "biweight", "deepgum"} <= set(methods)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.number)
def test_every_value_has_the_decimals_that_are_printed(table):
    for row in table.rows:
        for value, digits in zip(row.values, table.digits, strict=True):
            for number in (value.value, value.deviation) if value else ():
                assert number is None or (number > 0 and round(number, digits) == number)


def test_the_papers_method_has_the_lowest_error_among_what_it_compares():
    # Only the paper's own runs are compared. DexGUM also has stars, because the paper finds no difference to DeepGUM.
    for table in TABLES:
        own = [row for row in table.rows if row.method]
        for column, name in enumerate(table.columns):
            if name == "flagged (%)":
                continue
            lowest = min(own, key=lambda row: row.values[column].value)
            assert lowest.method == "deepgum"
            starred = {row.method for row in own if row.values[column].stars}
            expected = {("Table 2", "RMSE"): set(), ("Figure 4", "MAE"): {"deepgum", "dexgum"}}
            assert starred == expected.get((table.number, name), {"deepgum"})


def test_the_differences_that_the_text_states():
    # Section 4.3: "respectively 0.99, 0.50 and 0.20 lower than L2, Huber and Bi-weight in MAE".
    gains = [mae(TABLE2, method, "MAE") - mae(TABLE2, "deepgum", "MAE") for method in ("l2", "huber", "biweight")]
    assert gains == pytest.approx([0.99, 0.50, 0.20])
    # Section 4.2: "0.7 years better than L2".
    assert round(mae(FIGURE4, "l2", "MAE") - mae(FIGURE4, "deepgum", "MAE"), 1) == 0.7


def test_a_root_mean_square_is_no_less_than_the_mean():
    for row in TABLE2.rows:
        error, root = row.values
        assert error is None or error.value <= root.value
        assert all(value.deviation is not None for value in row.values if value)


def test_methods_that_the_paper_quotes_are_not_ours():
    assert [row.name for row in TABLE1.rows if row.method is None] == ["DFA [23] ($L_2$)", "DFA [23] (5 VGG)"]
    assert [row.name[-1] for row in TABLE2.rows if row.method is None] == ["†", "†", "†", "]"]
    assert all(row.method for row in FIGURE4.rows)


def test_what_the_paper_does_not_have_is_none():
    assert TABLE1.row("cauchy") is None
    assert TABLE1.value("cauchy", "LC") is None
    assert TABLE1.value("l2", "LW") is None
    assert FIGURE4.value("l2", "flagged (%)") is None


def test_the_values_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TABLE1.rows[0].values[0].value = 0.0
    assert [table.source for table in TABLES] == [
        f"as published, ECCV 2018 paper, {number}" for number in ("Table 1", "Figure 4", "Table 2")
    ]
