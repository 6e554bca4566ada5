"""Patterns and ranges of columns."""

from __future__ import annotations

import pytest

from deepgum.data.column_patterns import find_columns, is_row_number
from deepgum.errors import InvalidParameterError

HEADER = ["Unnamed: 0", "file", "x1", "y1", "x2", "y2", "kp-3", "a", "kp-3-a", "age [years]", "__index_level_0__"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["age*"], ["age [years]"]),
        (["age [years]"], ["age [years]"]),
        (["?1", "?2"], ["x1", "y1", "x2", "y2"]),
        (["x*", "y*"], ["x1", "x2", "y1", "y2"]),
        (["x1-y2"], ["x1", "y1", "x2", "y2"]),
        (["x1 - y2"], ["x1", "y1", "x2", "y2"]),
        (["kp-3"], ["kp-3"]),  # a name wins over a range
        (["kp-3-a"], ["kp-3-a"]),
        (["y2-kp-3-a"], ["y2", "kp-3", "a", "kp-3-a"]),
        (["*"], ["x1", "y1", "x2", "y2", "kp-3", "a", "kp-3-a", "age [years]"]),
        (["Unnamed: 0"], ["Unnamed: 0"]),  # by its name, for example as the id
        (["missing"], ["missing"]),
        (["*", "!kp*"], ["x1", "y1", "x2", "y2", "a", "age [years]"]),
        (["!y1", "x1-y2", "age*"], ["x1", "x2", "y2", "age [years]"]),
    ],
)
def test_names_patterns_and_ranges(wanted: list[str], found: list[str]) -> None:
    assert find_columns("targets", wanted, HEADER, exclude=["file"]) == found


def test_a_range_of_numbers_is_the_order_of_the_table_not_of_the_numbers() -> None:
    header = ["file", *map(str, range(136)), "age"]
    assert find_columns("targets", ["0-135"], header) == header[1:-1]
    assert find_columns("targets", ["0-1"], ["0", "7", "1"]) == ["0", "7", "1"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["q*"], "`targets` should be columns of the table"),
        (["y2-x1"], "The first column of the range is behind the last one"),
        (["x1-y68"], "The range ends at 'y68', which is no column. The table has"),
        (["x1-yy2"], "The range ends at 'yy2', which is no column. Did you mean 'y2'?"),
        (["x1-y2", "x2"], "Named twice: x2"),
        (["Un*"], "should be columns of the table"),
        (["*", "!agee"], "`targets` should be columns of the table"),
        (["x1", "x*", "!x1"], "Both named and left out: x1"),
        (["!x1"], "Say which columns to take: '*' is all"),
        (["x1-y1", "!x*", "!y*"], "should be columns of the table"),
    ],
)
def test_what_fits_no_column_is_refused_with_the_columns(wanted: list[str], message: str) -> None:
    with pytest.raises(InvalidParameterError) as raised:
        find_columns("targets", wanted, HEADER)
    assert message in str(raised.value)


def test_row_numbers_are_known_by_the_names_that_programs_write() -> None:
    assert all(map(is_row_number, ["", "Unnamed: 0", "Unnamed: 12", "__index_level_0__"]))
    assert not any(map(is_row_number, ["index", "Unnamed", "id", "0"]))
