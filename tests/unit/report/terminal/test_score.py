"""The summary of scores and audits on a terminal stays short, and tells what it leaves out."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.scoring.score import Scored
from deepgum.audit.scoring.tally import Flag
from deepgum.audit.summary import AuditSummary, DataSource, GroupSummary
from deepgum.posteriors.shares import Share
from deepgum.report.terminal.score import scores, worst_table

SHARE = Share.at_least(0.1, 0.1)


def group(name, flags, *, share=SHARE, status="CONVERGED", verdict="ten per cent are wrong", settled=0):
    density = {"prior": 0.9, "covariance": ((1.0,),), "log_uniform_density": -3.0}
    return GroupSummary(name, 100, flags, 0.0, share, status, verdict, settled=settled, **density)


def summary(*groups):
    flags = sum(each.flags for each in groups)
    data = DataSource("arrays", landmarks=True)
    return AuditSummary(data, 100, 100 * len(groups), flags, 0.0, SHARE, "all in all", groups)


def lines(summary, **options):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(scores(summary, [], **options))
    return [line.strip() for line in console.export_text().splitlines()]


def rows(summary):
    return [line.split()[0] for line in lines(summary) if line.split()[1:2] == ["100"]]


@pytest.mark.parametrize("many", [1, 12])
def test_a_few_groups_are_all_shown_in_their_order(many):
    found = summary(*(group(f"p{place}", place % 5) for place in range(many)))
    assert rows(found) == [f"p{place}" for place in range(many)]
    assert found.other_groups == ""


def test_of_many_groups_those_with_most_flags_are_shown_and_the_others_counted():
    found = summary(*(group(f"p{place}", (7 * place) % 68) for place in range(68)))
    shown = rows(found)
    by_flags = {each.name: each.flags for each in found.groups}
    assert [by_flags[name] for name in shown] == [67, 66, 65, 64, 63, 62]
    others = sum(range(68)) - sum(range(62, 68))
    assert f"And 62 more landmarks, with {others:,} flagged labels. It is there." in lines(found, rest="It is there.")
    assert len(lines(found)) < 20


def test_groups_with_equal_flags_keep_their_order_and_none_of_the_others_may_be_flagged():
    found = summary(*(group(f"p{place}", 3 if place in (4, 9) else 0) for place in range(20)))
    assert rows(found) == ["p4", "p9", "p0", "p1", "p2", "p3"]
    assert found.other_groups == "And 14 more landmarks, with no flagged label."


def test_remarks_tell_what_the_table_does_not_and_are_few():
    plain = [
        group("a", 5, status="NO_OUTLIERS", verdict="five flags"),
        group("b", 0, status="NO_OUTLIERS", verdict="none"),
    ]
    found = summary(*plain, *(group(f"p{place}", 0, share=None, verdict=f"untold {place}") for place in range(9)))
    remarks = [line for line in lines(found) if line.startswith("- ")]
    assert remarks == [*(f"- p{place}: untold {place}" for place in range(3)), "- and 6 more remarks on landmarks"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, False),
        ({"status": "NO_OUTLIERS"}, False),
        ({"status": "ITERATION_LIMIT"}, True),
        ({"share": None}, True),
        ({"settled": 4}, True),
        ({"fault": "SIGN"}, True),
    ],
)
def test_a_group_has_a_remark_if_its_verdict_is_not_the_numbers(changes, told):
    assert dataclasses.replace(group("a", 5), **changes).has_remark is told


def test_the_text_of_scores_in_python_is_as_short():
    one = np.ones((1, 1))
    labels = ScoredLabels(("a",), ("x",), ("x",), ((0,),), one, one, one, one, one, one)
    found = summary(*(group(f"p{place}", place) for place in range(68)))
    text = str(Scored(labels, found, ()))
    assert len(text.splitlines()) == 8
    assert "  p67: ten per cent are wrong" in text
    assert "And 62 more landmarks, with 1,891 flagged labels. `summary.groups` has all." in text


def table_of(flag, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(worst_table([flag]))
    return console.export_text()


def flag(id="a", given=(1.0,), suggested=(2.0,)):
    return Flag(id, "price", given, suggested, 0.0001, 9.0, "gross", "")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((1730000.0,), "1,730,000"),
        ((-12345.6,), "-12,346"),
        ((9999.5,), "9999.5"),
        ((0.001234567,), "0.00123457"),
        ((12345.5, 8.25), "12345.5, 8.25"),
        ((float("nan"),), "-"),
        ((9.96921e36,), "9.96921e+36"),
    ],
)
def test_values_are_shown_as_in_the_report(given, shown):
    assert f" {shown} " in table_of(flag(given=given), 100)


def test_a_long_id_stays_on_one_line_and_keeps_both_ends():
    id = "photos/2019/summer/camera-one/left/IMG_0001.jpg"
    assert id in table_of(flag(id), 140)
    (line,) = [line for line in table_of(flag(id), 80).splitlines() if "photos/" in line]
    assert "001.jpg " in line
    assert "…" in line
