"""Acknowledged decisions survive every failure, and the log determines the decisions that hold."""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepgum.audit.corrections.decisions import ACTIONS, Decision
from deepgum.audit.folder import AuditFolder
from deepgum.errors import (
    DecisionsFileError,
    DiskFullError,
    InvalidDataError,
    InvalidParameterError,
    StaleDecisionError,
    UnknownNameError,
)
from deepgum.review import log
from deepgum.review.ledger import Entry
from deepgum.review.log import LogFile
from deepgum.review.store import DecisionStore, identity, read_decisions

IDS = [f"images/{i:03d}.png" for i in range(40)]
FIX = (30.25, -1e-7)


def test_another_store_reads_a_decision_at_once(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as one, DecisionStore.of(audited) as other:
        before = datetime.now(UTC)
        entry = one.decide(Decision(IDS[3], "a", "fix", FIX, "clicked", "ada"), expected=0)
        one.decide(Decision(IDS[0], "b", "keep"))
        first, second = other.decisions()
        assert second == entry.decision
        assert (second.new, second.reason, second.who) == (FIX, "clicked", "ada")
        assert abs((datetime.fromisoformat(second.at) - before).total_seconds()) < 60
        assert (first.sample, first.group, first.action, first.new) == (IDS[0], "b", "keep", None)
        assert first.who  # the login name
    with DecisionStore.of(audited) as again:
        assert again.decisions() == [first, second]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("ddmmuurr"), st.integers(0, 2), st.sampled_from(["keep", "drop"]))))
def test_undo_and_redo_move_through_the_earlier_states(audited: AuditFolder, steps: list[tuple[str, int, str]]) -> None:
    audited.decisions_file.unlink(missing_ok=True)
    states: list[dict[str, str]] = [{}]
    place = 0
    with DecisionStore.of(audited) as store:
        for number, (step, sample, action) in enumerate(steps):
            with store.reading() as ledger:
                undoable, redoable = ledger.undoable, ledger.redoable
            assert (undoable is None) == (place == 0)
            assert (redoable is None) == (place == len(states) - 1)
            if step == "d":
                store.decide(Decision(IDS[sample], "a", action, reason=str(number)))  # type: ignore[arg-type]
                states[place + 1 :] = [states[place] | {IDS[sample]: str(number)}]
                place += 1
            elif step == "m":  # all but one sample, as one decision
                names = [name for name in IDS[:3] if name != IDS[sample]]
                store.decide_many([Decision(name, "a", action, reason=str(number)) for name in names])  # type: ignore[arg-type]
                states[place + 1 :] = [states[place] | dict.fromkeys(names, str(number))]
                place += 1
            elif step == "u" and undoable is not None:
                store.undo(undoable.seq)
                place -= 1
            elif step == "r" and redoable is not None:
                store.redo(redoable.seq)
                place += 1
            assert {each.sample: each.reason for each in store.decisions()} == states[place]
        with DecisionStore.of(audited) as replayed:
            assert replayed.decisions() == store.decisions()


def test_an_outdated_decision_is_refused_with_the_current_one(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        first = store.decide(Decision(IDS[0], "a", "keep", who="ada"), expected=0)
        for stale in (0, first.seq + 1):
            with pytest.raises(StaleDecisionError, match="decision 1 is current: keep, by ada at 20") as refused:
                store.decide(Decision(IDS[0], "a", "drop"), expected=stale)
            assert refused.value.current == first
        assert [each.action for each in store.decisions()] == ["keep"]
        store.decide(Decision(IDS[0], "b", "drop"), expected=0)  # another place
        store.undo(first.seq)
        with pytest.raises(StaleDecisionError, match="the label is undecided"):
            store.decide(Decision(IDS[0], "a", "drop"), expected=first.seq)
        store.decide(Decision(IDS[0], "a", "drop"), expected=0)


def test_only_current_decisions_are_undone_and_only_the_last_undo_redone(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        first = store.decide(Decision(IDS[0], "a", "keep"))
        second = store.decide(Decision(IDS[0], "a", "drop"))
        other = store.decide(Decision(IDS[1], "a", "drop"))
        for wrong in (first.seq, 99, 0, -1):
            with pytest.raises(
                StaleDecisionError, match=f"Decision {wrong} can be undone only if it is the current decision"
            ):
                store.undo(wrong)
        assert store.undo(second.seq) == second
        assert store.undo(first.seq) == first
        with pytest.raises(StaleDecisionError, match="decision 1 was undone last"):
            store.redo(second.seq)
        with pytest.raises(StaleDecisionError):
            store.redo(other.seq)
        assert [store.redo(first.seq), store.redo(second.seq)] == [first, second]
        store.undo(second.seq)
        store.decide(Decision(IDS[2], "a", "skip"))
        with pytest.raises(StaleDecisionError, match="there is nothing to redo"):
            store.redo(second.seq)


def test_a_decision_about_many_labels_is_one_row_with_one_undo(audited: AuditFolder) -> None:
    fixes = [Decision(name, "a", "fix", (float(place), 0.5), "run 7", "ada") for place, name in enumerate(IDS)]
    with DecisionStore.of(audited) as store:
        before = store.decide(Decision(IDS[0], "a", "keep", who="bob"))
        entry = store.decide_many(fixes, expected=[before.seq, *[0] * 39], key="m")
        assert (entry.seq, entry.many) == (2, 40)
        assert store.decide_many(fixes, expected=[0] * 40, key="m") == entry  # the answer was lost
        assert len(lines(audited)) == 2
        assert [(each.sample, each.new, each.reason, each.who) for each in store.decisions()] == [
            (each.sample, each.new, each.reason, each.who) for each in fixes
        ]
        assert len({each.at for each in store.decisions()}) == 1
        with DecisionStore.of(audited) as other:
            assert other.decisions() == store.decisions()
            other.undo(entry.seq)
        assert store.decisions() == [before.decision]
        assert store.redo(entry.seq) == entry
        assert len(store.decisions()) == 40


def test_one_outdated_label_refuses_a_decision_about_many(audited: AuditFolder) -> None:
    drops = [Decision(name, "a", "drop") for name in IDS]
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[7], "a", "keep", who="bob"))
        with pytest.raises(StaleDecisionError, match=rf"of '{IDS[7]}' .* keep, by bob at .* \(1 of the 40 labels"):
            store.decide_many(drops, expected=[0] * 40)
        assert [each.sample for each in store.decisions()] == [IDS[7]]
        entry = store.decide_many(drops)
        later = store.decide(Decision(IDS[9], "a", "keep", who="bob"))
        with pytest.raises(StaleDecisionError, match=f"all its 40 labels. Now the label 'a' of '{IDS[9]}': decision 3"):
            store.undo(entry.seq)
        store.undo(later.seq)
        store.undo(entry.seq)
        assert [each.action for each in store.decisions()] == ["keep"]


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([], "one decision or more"),
        ([Decision(IDS[0], "a", "keep")] * 2, "each about another label"),
        ([Decision(IDS[0], "a", "keep"), Decision(IDS[1], "a", "drop")], "the same action"),
        ([Decision(IDS[0], "a", "keep"), Decision(IDS[1], "a", "keep", reason="seen")], "reason"),
        ([Decision(IDS[0], "a", "keep"), Decision("images/999.png", "a", "keep")], "one of the 40 samples"),
    ],
)
def test_decisions_that_are_not_one_decision_are_refused(
    audited: AuditFolder, decisions: list[Decision], words: str
) -> None:
    with DecisionStore.of(audited) as store:
        with pytest.raises(InvalidParameterError, match=words):
            store.decide_many(decisions)
        assert store.decisions() == []


def test_a_cut_decision_about_many_labels_is_no_decision(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        store.decide_many([Decision(name, "a", "fix", FIX) for name in IDS])
    whole = audited.decisions_file.read_bytes()
    start = whole.index(b"\n") + 1
    for size in [start, start + 1, *range(start + 2, len(whole) - 1, 97), len(whole) - 2]:
        audited.decisions_file.write_bytes(whole[:size])
        with DecisionStore.of(audited) as store:
            assert store.decisions() == []
    audited.decisions_file.write_bytes(whole)
    with DecisionStore.of(audited) as store:
        assert len(store.decisions()) == 40


def test_a_repeated_write_is_stored_once(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        keep = Decision(IDS[0], "a", "keep")
        first = store.decide(keep, expected=0, key="k1")
        assert store.decide(keep, expected=0, key="k1") == first
        assert store.undo(first.seq, key="k2") == store.undo(first.seq, key="k2") == first
        assert store.redo(first.seq, key="k3") == store.redo(first.seq, key="k3") == first
        assert len(store.decisions()) == 1
    assert len(lines(audited)) == 3


@pytest.mark.parametrize(
    ("decision", "error", "words"),
    [
        (Decision("images/999.png", "a", "keep"), InvalidParameterError, "one of the 40 samples"),
        (Decision(IDS[0], "nose", "keep"), UnknownNameError, "'a', 'b'"),
        (Decision(IDS[0], "a", "fix", (1.0,)), InvalidParameterError, "2 numbers"),
        (Decision(IDS[0], "a", "fix", (1.0, 2.0, 3.0)), InvalidParameterError, "2 numbers"),
        (Decision(IDS[0], "a", "keep", who="x" * 201), InvalidParameterError, "at most 200 Unicode characters"),
        (Decision(IDS[0], "a", "keep", reason="x" * 2001), InvalidParameterError, "at most 2000 Unicode characters"),
        (Decision(IDS[0], "a", "keep", reason="\ud800"), InvalidParameterError, "Unicode characters"),
    ],
)
def test_decisions_that_do_not_fit_the_audit_are_refused(
    audited: AuditFolder, decision: Decision, error: type[Exception], words: str
) -> None:
    with DecisionStore.of(audited) as store:
        with pytest.raises(error, match=words):
            store.decide(decision)
        assert store.decisions() == []


def test_numbers_are_stored_to_the_last_bit(audited: AuditFolder) -> None:
    values = np.random.default_rng(0).normal(size=(20, 2)) * 10.0 ** np.arange(-10, 10)[:, None]
    with DecisionStore.of(audited) as store:
        for name, row in zip(IDS, values, strict=False):
            store.decide(Decision(name, "a", "fix", tuple(row)))
    with DecisionStore.of(audited) as store:
        np.testing.assert_array_equal([each.new for each in store.decisions()], values)


def test_texts_of_any_kind_are_stored(audited: AuditFolder) -> None:
    words = "it's \"so\"\n<b>née</b> \x00 \u202e 名 🦆 '); DROP TABLE log; --"
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep", reason=words, who=words))
    with DecisionStore.of(audited) as store:
        (decision,) = store.decisions()
        assert (decision.reason, decision.who) == (words, words)


def test_the_store_of_another_audit_is_refused_and_kept(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
    labels = audited.labels()
    dataclasses.replace(labels, responsibilities=labels.responsibilities / 2).write(audited.scores_file)
    before = audited.decisions_file.read_bytes()
    with pytest.raises(DecisionsFileError, match=r"about another audit \(1\), started 20.*Move the file"):
        DecisionStore.of(audited)
    assert audited.decisions_file.read_bytes() == before
    labels.write(audited.scores_file)
    with DecisionStore.of(audited) as store:
        assert len(store.decisions()) == 1


def test_a_folder_without_audit_gets_no_store(audited: AuditFolder) -> None:
    audited.summary_file.unlink()
    with pytest.raises(InvalidDataError, match="deepgum audit DATA"):
        DecisionStore.of(audited)
    assert not audited.decisions_file.exists()


def lines(audited: AuditFolder) -> list[str]:
    """The rows of the log, without its first line."""
    return audited.decisions_file.read_text(encoding="utf-8").splitlines()[1:]


def _of_a_later_version(audited: AuditFolder) -> None:
    with DecisionStore.of(audited):
        pass
    text = audited.decisions_file.read_text(encoding="utf-8")
    audited.decisions_file.write_text(text.replace("deepgum-decisions 2", "deepgum-decisions 3"), encoding="utf-8")


def _of_another_program(audited: AuditFolder) -> None:
    audited.decisions_file.write_text('{"title": "music"}\n', encoding="utf-8")


def _no_text(audited: AuditFolder) -> None:
    audited.decisions_file.write_bytes(b"\xff\x00 no text, but with an end\n" * 100)


def _empty(audited: AuditFolder) -> None:
    audited.decisions_file.touch()


def _of_another_line(line: str) -> Callable[[AuditFolder], None]:
    def spoil(audited: AuditFolder) -> None:
        with DecisionStore.of(audited) as store:
            store.undo(store.decide(Decision(IDS[0], "a", "fix", FIX)).seq)
        with open(audited.decisions_file, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    return spoil


def _a_folder(audited: AuditFolder) -> None:
    audited.decisions_file.mkdir()


KEEP = f'"action":"keep","sample":"{IDS[0]}","group":"a"'


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_of_a_later_version, "Found 'deepgum-decisions 3': .* by a later deepgum"),
        (_of_another_program, "Found None: .* or by another program"),
        (_no_text, "Found None"),
        (_empty, "Found None"),
        (
            _of_another_line(f'{{"seq":3,"action":"fix","sample":"{IDS[0]}","group":"a","new":[NaN,2]}}'),
            "Row 3 does not",
        ),
        (_of_another_line('{"seq":3,"action":"undo","of":1}'), "Row 3 does not fit"),
        (_of_another_line('{"seq":3,"action":"redo","of":9}'), "Row 3 does not fit, in line 4. .* decision 9 to redo"),
        (_of_another_line(""), "in line 4. Found '', which is not JSON"),
        (_of_another_line(f'{{"seq":4,{KEEP}}}'), "row 3 of its decisions in line 4"),
        (_of_another_line(f'{{"seq":3,{KEEP},"who":3}}'), "row 3 of its decisions"),
        (_of_another_line(f'{{"seq":3,{KEEP},"new":"12"}}'), "row 3 of its decisions"),
        (_of_another_line(f'{{"seq":3,{KEEP},"of":"1"}}'), "row 3 of its decisions"),
        (_of_another_line(f'{{"seq":3,{KEEP},"more":"1"}}'), "row 3 of its decisions"),
        (_of_another_line("[3]"), "row 3 of its decisions"),
        (_of_another_line('{"seq":3,"action":"keep","many":[]}'), "row 3 of its decisions"),
        (_of_another_line('{"seq":3,"action":"keep","many":[["a","b"]]}'), "row 3 of its decisions"),
        (_of_another_line('{"seq":3,"action":"keep","many":[["a",3,null]]}'), "row 3 of its decisions"),
        (_of_another_line('{"seq":3,"action":"keep","many":{"a":1}}'), "row 3 of its decisions"),
        (
            _of_another_line(
                f'{{"seq":3,"action":"drop","many":{[[IDS[0], "a", None]] * 2}}}'.replace("'", '"').replace(
                    "None", "null"
                )
            ),
            "Row 3 does not",
        ),
        (_of_another_line("[" * 100_000), "row 3 of its decisions"),
        (_of_another_line("\0" * 100), "row 3 of its decisions"),
        (_a_folder, "Is a directory"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_other_files_are_refused_and_unchanged(
    audited: AuditFolder, spoil: Callable[[AuditFolder], None], words: str
) -> None:
    spoil(audited)
    before = audited.decisions_file.read_bytes() if audited.decisions_file.is_file() else None
    with pytest.raises(DecisionsFileError, match=words) as refused:
        DecisionStore.of(audited)
    assert str(audited.decisions_file) in str(refused.value)
    if before is not None:
        assert audited.decisions_file.read_bytes() == before
        assert "to start a new review" in str(refused.value)  # what to do


@pytest.mark.fault(5)
def test_every_copy_of_the_file_alone_holds_what_was_acknowledged(audited: AuditFolder, tmp_path: Path) -> None:
    copied = AuditFolder(tmp_path / "copy")
    shutil.copytree(audited.path, copied.path)
    with DecisionStore.of(audited) as store:
        for count in range(1, 15):
            entry = store.decide(Decision(IDS[count], "a", "keep"))
            shutil.copyfile(audited.decisions_file, copied.decisions_file)  # while the store is open
            held = read_decisions(copied)
            assert held[-1] == entry.decision
            assert len(held) == count
    assert sorted(path.name for path in audited.path.iterdir()) == sorted(path.name for path in copied.path.iterdir())


@pytest.mark.fault(5)
def test_the_entry_of_a_new_file_and_each_row_are_synchronised(
    audited: AuditFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synchronised = os.fsync, []

    def noting(handle: int) -> None:
        about = os.fstat(handle)
        synchronised.append((about.st_ino, about.st_size))
        real(handle)

    monkeypatch.setattr(os, "fsync", noting)
    with DecisionStore.of(audited) as store:
        assert audited.path.stat().st_ino in [inode for inode, _ in synchronised]
        for name in IDS[:3]:
            store.decide(Decision(name, "a", "keep"))
            about = audited.decisions_file.stat()
            assert synchronised[-1] == (about.st_ino, about.st_size)


def test_what_a_kill_left_is_removed(audited: AuditFolder) -> None:
    names = {path.name for path in audited.path.iterdir()}
    (audited.path / ".decisions.jsonl.4711-0123abcd.partial").write_text("{")
    (audited.path / ".decisions.jsonl.lock").write_text("4711")
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
    assert {path.name for path in audited.path.iterdir()} == names | {"decisions.jsonl"}


@pytest.mark.fault(5)
def test_a_file_that_is_cut_anywhere_holds_all_rows_before_the_cut(audited: AuditFolder) -> None:
    """A copy during a write, or a kill, can leave a part of the last line. It is not a decision, and does no harm."""
    with DecisionStore.of(audited) as store:
        for name in IDS[:3]:
            store.decide(Decision(name, "a", "fix", FIX, "née"), key=name)
    whole, audit = audited.decisions_file.read_bytes(), identity(audited)
    ends = [place + 1 for place, letter in enumerate(whole) if letter == ord("\n")]
    near = {end + step for end in ends for step in (-1, 0, 1)} - {ends[0] - 1, len(whole) + 1}
    for size in sorted(near | set(range(ends[0], len(whole), 13))):
        audited.decisions_file.write_bytes(whole[:size])
        rows = sum(size >= end - 1 for end in ends[1:])  # a whole row counts without its line end
        with closing(LogFile(audited.decisions_file, audit)) as log_file:
            assert [row.sample for row in log_file.new_rows()] == IDS[:rows]
            with log_file.transaction():
                log_file.append("drop", sample=IDS[9], group="b")  # follows the last whole row
            assert [row.sample for row in log_file.new_rows()] == [IDS[9]]
        text = audited.decisions_file.read_bytes()
        assert text.startswith(whole[: ends[rows]])
        assert text.endswith(b"\n")
        assert text.count(b"\n") == rows + 2


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_an_editor_that_changes_line_ends_loses_no_decision(
    audited: AuditFolder, read_only: Callable[[Path], None], line_end: bytes
) -> None:
    with DecisionStore.of(audited) as store:
        decided = [store.decide(Decision(name, "a", "fix", FIX), key=name).decision for name in IDS[:3]]
    edited = audited.decisions_file.read_bytes().replace(b"\n", line_end).removesuffix(line_end)
    audited.decisions_file.write_bytes(edited)
    with DecisionStore.of(audited) as one, DecisionStore.of(audited) as other:
        assert one.decisions() == other.decisions() == decided
        assert one.decide(Decision(IDS[2], "a", "fix", FIX), key=IDS[2]).seq == 3  # stored before
        assert audited.decisions_file.read_bytes() == edited
        decided += [store.decide(Decision(IDS[k], "a", "keep")).decision for k, store in ((3, one), (4, other))]
        assert one.decisions() == other.decisions() == decided
    assert audited.decisions_file.read_bytes().startswith(edited + b"\n")
    audited.decisions_file.write_bytes(audited.decisions_file.read_bytes().removesuffix(b"\n"))
    read_only(audited.path)
    assert read_decisions(audited) == decided


def test_a_failed_write_after_a_row_without_line_end_has_no_effect(
    audited: AuditFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
    edited = audited.decisions_file.read_bytes().removesuffix(b"\n")
    audited.decisions_file.write_bytes(edited)
    with DecisionStore.of(audited) as store:
        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(DecisionsFileError, match="Input/output error"):
            store.decide(Decision(IDS[1], "a", "keep"))
        assert audited.decisions_file.read_bytes() == edited


def test_a_file_that_was_cut_under_an_open_store_is_refused(audited: AuditFolder) -> None:
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
        first = audited.decisions_file.read_bytes()
        store.decide(Decision(IDS[1], "a", "keep"))
        audited.decisions_file.write_bytes(first)
        for use in (store.decisions, lambda: store.decide(Decision(IDS[2], "a", "keep"))):
            with pytest.raises(DecisionsFileError, match="should only grow"):
                use()
    assert audited.decisions_file.read_bytes() == first


@pytest.mark.fault(6)
@pytest.mark.parametrize("again", ["deleted", "moved", "replaced", "folder deleted", "folder made anew"])
def test_nothing_is_written_or_read_when_the_file_was_replaced(
    audited: AuditFolder, tmp_path: Path, again: str
) -> None:
    copy = tmp_path / "copy"
    with DecisionStore.of(audited) as store:
        first = store.decide(Decision(IDS[0], "a", "keep"), key="k")
        shutil.copytree(audited.path, copy)
        if again == "deleted":
            audited.decisions_file.unlink()
        elif again == "moved":
            audited.decisions_file.rename(tmp_path / "elsewhere")
        elif again == "replaced":
            shutil.copyfile(audited.decisions_file, tmp_path / "same")
            (tmp_path / "same").replace(audited.decisions_file)
        else:
            shutil.rmtree(audited.path)
            if again == "folder made anew":
                shutil.copytree(copy, audited.path)
        after = audited.decisions_file.read_bytes() if audited.decisions_file.exists() else None
        for use in (
            lambda: store.decide(Decision(IDS[1], "a", "keep")),
            lambda: store.decide(Decision(IDS[0], "a", "keep"), key="k"),
            lambda: store.undo(first.seq),
            store.decisions,
        ):
            with pytest.raises(DecisionsFileError, match=r"moved, deleted or made again.*Stop the review"):
                use()
        assert (audited.decisions_file.read_bytes() if audited.decisions_file.exists() else None) == after


@pytest.mark.fault(6)
def test_a_decision_is_not_acknowledged_when_the_file_is_replaced_during_its_write(
    audited: AuditFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def replacing(handle: int) -> None:
        real(handle)
        audited.decisions_file.unlink()

    with DecisionStore.of(audited) as store:
        monkeypatch.setattr(os, "fsync", replacing)
        with pytest.raises(DecisionsFileError, match="moved, deleted or made again"):
            store.decide(Decision(IDS[0], "a", "keep"))


def test_a_folder_that_is_moved_and_brought_back_can_be_used_again(audited: AuditFolder, tmp_path: Path) -> None:
    with DecisionStore.of(audited) as store:
        audited.path.rename(tmp_path / "away")
        with pytest.raises(DecisionsFileError, match="moved, deleted or made again"):
            store.decide(Decision(IDS[0], "a", "keep"))
        (tmp_path / "away").rename(audited.path)
        store.decide(Decision(IDS[0], "a", "keep"))
        assert len(read_decisions(audited)) == 1


def test_a_full_disk_is_reported_and_stored_decisions_stay(audited: AuditFolder) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
        before, written = store.decisions(), audited.decisions_file.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(written) + 50, hard))  # a part of the line fits
        try:
            with pytest.raises(DiskFullError, match="the decision was not stored"):
                store.decide(Decision(IDS[1], "a", "keep"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (store.decisions(), audited.decisions_file.read_bytes()) == (before, written)
        store.decide(Decision(IDS[1], "a", "drop"))
        assert len(store.decisions()) == 2


def test_a_failed_write_has_no_effect(audited: AuditFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with DecisionStore.of(audited) as store:
        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(DecisionsFileError, match="Input/output error"):
            store.decide(Decision(IDS[0], "a", "keep"), key="once")
        monkeypatch.undo()
        assert store.decisions() == []
        store.decide(Decision(IDS[0], "a", "keep"), expected=0, key="once")
        assert len(store.decisions()) == 1


def test_a_writer_that_does_not_end_is_reported(audited: AuditFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_WAIT", 0.05)
    with DecisionStore.of(audited) as one, DecisionStore.of(audited) as other, one._log.transaction():
        with pytest.raises(DecisionsFileError, match=r"Another process .* Nothing was stored"):
            other.decide(Decision(IDS[0], "a", "keep"))
        assert other.decisions() == []  # a reader does not wait


@pytest.mark.fault(21)
def test_decisions_are_read_without_any_write(audited: AuditFolder, read_only: Callable[[Path], None]) -> None:
    with DecisionStore.of(audited) as store:
        store.decide(Decision(IDS[0], "a", "keep"))
    read_only(audited.path)
    with DecisionStore.of(audited) as store:
        assert [each.sample for each in store.decisions()] == IDS[:1]
        with pytest.raises(DecisionsFileError, match="Permission denied"):
            store.decide(Decision(IDS[1], "a", "keep"))
    assert len(read_decisions(audited)) == 1


def test_one_of_several_concurrent_writers_wins(audited: AuditFolder) -> None:
    stores = [DecisionStore.of(audited) for _ in range(3)]
    won: list[Entry] = []
    lost: list[StaleDecisionError] = []

    def write(store: DecisionStore) -> None:
        for name in IDS:
            try:
                won.append(store.decide(Decision(name, "a", "keep"), expected=0))
            except StaleDecisionError as error:
                lost.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in (*stores, stores[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (40, 120)
    assert sorted(entry.seq for entry in won) == list(range(1, 41))
    for store in stores:
        assert len(store.decisions()) == 40
        store.close()


# Forks a child for each line on its input, that decides for ever and says what was acknowledged.
_NURSERY = """
import itertools, os, sys
from pathlib import Path
from deepgum.audit.corrections.decisions import ACTIONS, Decision
from deepgum.audit.folder import AuditFolder
from deepgum.review.store import DecisionStore

folder = AuditFolder(Path(sys.argv[1]))
labels = folder.labels()
for line in sys.stdin:
    child = os.fork()
    if child:
        print("child", child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)
        continue
    with DecisionStore.of(folder, labels) as store:
        for i in itertools.count():
            action = ACTIONS[i % 4]
            new = (float(i), 0.5) if action == "fix" else None
            entry = store.decide(Decision(labels.ids[i % 40], "a", action, new, reason=line.strip()))
            os.write(1, f"{entry.seq} {i}\\n".encode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks its writers")
def test_acknowledged_decisions_survive_a_kill(audited: AuditFolder) -> None:
    random.seed(0)
    acknowledged: dict[int, tuple[str, int]] = {}
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY, str(audited.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for round_ in range(12):
            nursery.stdin.write(f"{round_}\n")
            nursery.stdin.flush()
            word, child = nursery.stdout.readline().split()
            assert word == "child"
            stop = random.randint(1, 60)
            killed = False
            while (line := nursery.stdout.readline().strip()) != "gone":
                seq, i = map(int, line.split())
                acknowledged[seq] = (str(round_), i)
                if not killed and i >= stop:
                    os.kill(int(child), signal.SIGKILL)
                    killed = True
            with closing(LogFile(audited.decisions_file, identity(audited))) as log_file:
                stored = {row.seq: row for row in log_file.new_rows()}
            for seq, (reason, i) in acknowledged.items():
                row = stored[seq]
                assert (row.reason, row.sample, row.action) == (reason, IDS[i % 40], ACTIONS[i % 4])
                assert row.new == ((float(i), 0.5) if row.action == "fix" else None)
            assert len(stored) - len(acknowledged) <= round_ + 1  # at most one a kill was stored and not acknowledged
        nursery.stdin.close()
