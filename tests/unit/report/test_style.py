"""Styles of methods in tables and figures: those of the package, and those of plug-ins in records."""

from __future__ import annotations

from types import SimpleNamespace

from deepgum.report.style import method_style, method_styles
from deepgum.styles import METHOD_STYLES


def record(method: str, label: str = "", colour: str = "") -> SimpleNamespace:
    return SimpleNamespace(method=method, label=label, colour=colour)


def test_methods_of_the_package_have_their_own_style():
    assert method_styles(map(record, METHOD_STYLES)) == dict(METHOD_STYLES)
    # A record cannot change it.
    assert method_style("l2", "mine", "#000000") == METHOD_STYLES["l2"]


def test_plug_ins_have_the_colour_of_their_record_or_the_next_of_a_cycle():
    records = [record("a:A", "A", "#ABCDEF"), record("a:B", "B"), record("deepgum"), record("a:C", "C"), record("a:B")]
    styles = method_styles(records)
    assert list(styles) == ["a:A", "a:B", "deepgum", "a:C"]
    assert [styles[name].label for name in ("a:A", "a:B", "a:C")] == ["A", "B", "C"]
    assert styles["a:A"].colour == "#ABCDEF"
    known = {style.colour for style in METHOD_STYLES.values()}
    assert len({styles["a:B"].colour, styles["a:C"].colour, *known}) == len(known) + 2
    many = method_styles(record(f"a:L{number}") for number in range(20))
    assert all(style.colour for style in many.values())
