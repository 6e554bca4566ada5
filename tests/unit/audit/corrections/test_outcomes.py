"""Everywhere a person reads decisions, a suggestion that was taken has other words than a correction by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from deepgum.audit.corrections.apply import apply_patch
from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import export_decisions
from deepgum.audit.corrections.outcomes import OUTCOMES, outcome, suggestion
from deepgum.audit.corrections.patch_file import read_patch
from deepgum.data.sets.registry import get_dataset
from deepgum.report.terminal.applied import applied_table


@pytest.fixture
def decisions(audited):
    """Two suggestions that are taken, one label corrected by hand, and one dropped, in the order of the rows."""
    labels = audited.labels()
    places = sorted(labels.worst_first()[:4])

    def decision(place, action, new=None):
        return Decision(labels.ids[place[0]], labels.group_names[place[1]], action, new)

    taken = [decision(place, "fix", suggestion(labels, place)) for place in places[:2]]
    x, y = suggestion(labels, places[2])
    return [*taken, decision(places[2], "fix", (x + 0.5, y)), decision(places[3], "drop")]


def test_the_outcome_is_that_of_the_values_however_they_were_made(audited, decisions):
    labels = audited.labels()
    places = sorted(labels.worst_first()[:4])
    found = [outcome(labels, place, each) for place, each in zip(places, decisions, strict=True)]
    assert found == ["take", "take", "fix", "drop"]
    x, y = decisions[0].new
    rounded = replace(decisions[0], new=(x * (1 + 1e-12), y))  # a last digit may be lost on its way through the page
    assert outcome(labels, places[0], rounded) == "take"


def test_the_table_and_the_patch_say_which_suggestions_were_taken(audited, decisions, tmp_path):
    export_decisions(audited, decisions, tmp_path / "made.csv", "csv")
    with open(tmp_path / "made.csv", newline="", encoding="utf-8") as file:
        words = [each["decision"] for each in csv.DictReader(file)]
    assert words == [OUTCOMES[each] for each in ("take", "take", "fix", "drop")]
    export_decisions(audited, decisions, tmp_path / "made.patch.jsonl", "patch")
    changes = read_patch(tmp_path / "made.patch.jsonl").changes
    assert [change.how for change in changes] == ["take", "take", "fix", None]
    assert [change.decision for change in changes] == ["fix", "fix", "fix", "drop"]
    assert [change.reason.split(".")[0] for change in changes[:3]] == [*["Suggestion taken"] * 2, "Corrected by hand"]


@pytest.mark.parametrize("says", [True, False])
def test_the_summary_of_apply_tells_them_apart_if_the_patch_does(audited, decisions, tmp_path, says):
    export_decisions(audited, decisions, tmp_path / "made.patch.jsonl", "patch")
    patch = read_patch(tmp_path / "made.patch.jsonl")
    if not says:
        patch = replace(patch, changes=tuple(replace(each, reason="a person wrote this") for each in patch.changes))
    table = get_dataset("table")
    source = table.labels(tmp_path / "faces.csv", table.check_options(dict(patch.options)))
    applied = apply_patch(patch, source, tmp_path / "new.csv")
    assert (applied.fixed, applied.taken, applied.by_hand) == ((3, 2, 1) if says else (3, 0, 0))
    console = Console(file=io.StringIO(), width=80)
    console.print(applied_table(applied))
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert (["fixed", "3", "have", "a", "new", "value"] in rows) is not says
    assert (["suggestion", "taken", "2", "have", "the", "suggested", "value"] in rows) is says
    assert (["corrected", "by", "hand", "1", "have", "a", "value", "of", "the", "reviewer"] in rows) is says
