import pytest

from deepgum import errors
from deepgum.errors import DeepGUMError, InvalidParameterError, UnknownNameError, listing


def test_every_error_is_a_deepgum_error_and_what_python_would_raise():
    found = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}
    assert len(found) > 8
    assert all(issubclass(error, DeepGUMError) for error in found.values())
    assert issubclass(InvalidParameterError, ValueError)
    assert issubclass(errors.MissingImagesError, FileNotFoundError)
    assert issubclass(errors.NotFittedError, AttributeError)


def test_warnings_can_be_silenced_together():
    assert issubclass(errors.IdentifiabilityWarning, errors.DeepGUMWarning)
    assert issubclass(errors.DeepGUMWarning, UserWarning)


def test_a_message_names_parameter_expectation_finding_and_remedy():
    error = InvalidParameterError("rate", "a number in [0, 1]", 1.5, "Give a fraction, not percent.")
    assert error.parameter == "rate"
    expected = "Parameter `rate` should be a number in [0, 1]. Found `rate = 1.5`. Give a fraction, not percent."
    assert str(error) == expected


@pytest.mark.parametrize(("found", "nearest"), [("Biwieght", "biweight"), ("deep-gum", "deepgum"), ("L2", "l2")])
def test_an_unknown_name_shows_the_nearest(found, nearest):
    message = str(UnknownNameError("methods", found, ["l2", "biweight", "deepgum"]))
    assert f"Did you mean {nearest!r}?" in message


def test_nothing_is_suggested_where_nothing_is_near():
    message = str(UnknownNameError("methods", "zzzzzz", ["l2", "biweight"]))
    assert "mean" not in message
    assert "'l2', 'biweight'" in message


def test_a_listing_says_how_many_are_left_out():
    assert listing(list("abcdefg"), most=3) == "a, b, c and 4 more"
    assert listing(list("abc"), most=3) == "a, b, c"
    assert listing([]) == ""
