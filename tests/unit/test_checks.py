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


@pytest.mark.parametrize("value", [1e-30, 2, 1e30, np.float32(0.5)])
def test_positive_numbers(value):
    assert check_positive("tol", value) == float(value)


@pytest.mark.fault(17)
@pytest.mark.parametrize("value", [1e-31, 1e-300, 1.7e308, 1e31])
def test_the_range_of_positive_numbers_excludes_overflow(value):
    with pytest.raises(InvalidParameterError, match=r"a number from 1e-30 to 1e\+30"):
        check_positive("tol", value)
    with pytest.raises(InvalidParameterError, match=r"0 or a number from 1e-30 to 1e\+30"):
        check_positive("tol", value, zero=True)


@pytest.mark.fault(17)
def test_the_largest_count_is_exact_in_every_type_of_number():
    largest = 2**53
    assert check_count("seed", largest) == largest
    assert float(largest) == largest
    assert 1000 * largest + 999 < 2**63  # the generators of a seed
    for value in (largest + 1, 2**63, 2**64):
        with pytest.raises(InvalidParameterError, match=r"from 1 to 9007199254740992\. Found `seed = "):
            check_count("seed", value)


@pytest.mark.fault(17)
@pytest.mark.parametrize("check", [check_count, check_positive, check_fraction])
def test_a_number_of_thousands_of_digits_is_refused_without_being_printed(check):
    with pytest.raises(InvalidParameterError, match="Found `seed = a number of thousands of digits`"):
        check("seed", 10**5000)


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
