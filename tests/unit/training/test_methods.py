"""The methods: one for each loss, the presets, Dex and the oracles; and losses from outside."""

from __future__ import annotations

import pytest

from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.losses import LOSSES, Cauchy, Huber
from deepgum.styles import METHOD_STYLES
from deepgum.training import METHODS, PRESETS, get_method


def test_every_loss_gives_a_method():
    for name, kind in LOSSES.items():
        method = METHODS[name]
        assert (method.loss, method.options) == (name, None)
        assert (method.style.label, method.style.colour, method.style.summary) == (
            kind.label,
            kind.colour,
            kind.summary,
        )


def test_every_method_has_a_style_and_every_style_a_method():
    assert METHOD_STYLES.keys() == METHODS.keys()
    assert len({(style.marker, str(style.dashes)) for style in METHOD_STYLES.values()}) == len(METHODS)
    assert all(METHODS[name].style is style for name, style in METHOD_STYLES.items())


def test_each_method_has_one_loss_or_one_set_of_options():
    for method in METHODS.values():
        assert (method.loss is None) != (method.options is None)
    assert METHODS["deepgum"].options is PRESETS["default"]


def test_a_loss_its_class_and_its_path_are_methods():
    method = get_method(Cauchy(scale=2.0))
    assert (method.loss, method.label, method.style.colour) == (Cauchy(scale=2.0), "Cauchy", Cauchy.colour)
    for value in (Huber, Huber(), "deepgum.losses:Huber"):
        assert get_method(value) == get_method(Huber())
    assert get_method(method) is method
    assert get_method("huber") is METHODS["huber"]


def test_an_unknown_name_is_refused_with_the_form_of_a_path():
    with pytest.raises(UnknownNameError, match=r"'package\.module:name'.*Did you mean 'biweight'"):
        get_method("biwieght")
    with pytest.raises(InvalidParameterError, match=r"`name` should be a Loss"):
        get_method("deepgum.training:METHODS", "name")
