import math

import numpy as np
import pytest

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import InvalidParameterError, UnknownNameError


def test_a_choice_is_given_back_or_named_with_what_is_known():
    assert check_choice("noise", "ngo", ["ngo", "l-ugo"]) == "ngo"
    with pytest.raises(UnknownNameError, match="`noise` should be one of 'ngo', 'l-ugo'"):
        check_choice("noise", "NGO ", iter(["ngo", "l-ugo"]))


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_whole_numbers_count(value):
    result = check_count("patience", value)
    assert result == value
    assert type(result) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True, None, math.nan])
def test_nothing_else_counts(value):
    with pytest.raises(InvalidParameterError, match="`patience` should be a whole number of at least 1"):
        check_count("patience", value)


def test_the_least_count_is_part_of_the_message():
    assert check_count("seed", 0, least=0) == 0
    with pytest.raises(InvalidParameterError, match="at least 2"):
        check_count("batch_size", 1, least=2)


@pytest.mark.parametrize("value", [1e-300, 2, np.float32(0.5)])
def test_positive_numbers(value):
    assert check_positive("tol", value) == float(value)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "1", True, None])
def test_numbers_that_are_not_positive(value):
    with pytest.raises(InvalidParameterError, match="`tol` should be a finite number above 0"):
        check_positive("tol", value)


def test_zero_is_positive_enough_where_it_is_said():
    assert check_positive("weight_decay", 0, zero=True) == 0.0
    with pytest.raises(InvalidParameterError, match="at least 0"):
        check_positive("weight_decay", -1e-9, zero=True)


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_fractions_include_their_ends(value):
    assert check_fraction("rate", value) == float(value)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, "0.5", True, None])
def test_what_is_no_fraction(value):
    with pytest.raises(InvalidParameterError, match=r"a number in \[0, 1\]"):
        check_fraction("rate", value)


def test_an_end_can_be_open():
    with pytest.raises(InvalidParameterError, match=r"\(0, 1\)"):
        check_fraction("inlier_prior", 0.0, open_below=True, open_above=True)
    with pytest.raises(InvalidParameterError, match=r"\[0, 1\)"):
        check_fraction("inlier_prior", 1.0, open_above=True)
