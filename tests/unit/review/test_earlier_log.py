"""Decisions that an earlier version stored in an SQLite file are taken over, and its files never change."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deepgum.audit.folder import AuditFolder
from deepgum.errors import DecisionsFileError, DeepGUMWarning, OutputFolderError
from deepgum.review.store import DecisionStore, identity, read_decisions
from deepgum.storage.lock import locked

IDS = [f"images/{i:03d}.png" for i in range(40)]
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, of INTEGER, sample TEXT, "group" TEXT,
    new TEXT, reason TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL, key TEXT UNIQUE);
PRAGMA user_version = 1;
"""
INSERT = "INSERT INTO log (action, of, sample, 'group', new, reason, who, at, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
AT = "2026-01-02T03:04:05.678Z"


def write_earlier(folder: AuditFolder, count: int = 14, mode: str = "WAL", audit: str = "") -> sqlite3.Connection:
    """Write `count` decisions and an undo of the last as the earlier version did, and return the open connection. In
    the mode WAL, all decisions are in the write-ahead log.
    """
    connection = sqlite3.connect(folder.earlier_decisions_file, isolation_level=None)
    connection.executescript(SCHEMA)
    connection.execute("INSERT INTO meta VALUES ('audit', ?), ('made', ?)", (audit or identity(folder), AT))
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    for i in range(count):
        row = ("fix", None, IDS[i % 40], "ab"[i // 40 % 2], "[1.5, -1e-07]", "née", "ada", AT, f"key {i}")
        connection.execute(INSERT, row)
    connection.execute(INSERT, ("undo", count, None, None, None, "", "ada", AT, "undo"))
    return connection


def contents(folder: AuditFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.name.startswith("decisions.sqlite")}


def killed(folder: AuditFolder, count: int = 14) -> None:
    """Leave the files of a killed review: none of the decisions is in the main file."""
    connection = write_earlier(folder, count)
    aside = {name: data for name, data in contents(folder).items() if not name.endswith("-shm")}
    connection.close()
    for name, data in aside.items():
        (folder.path / name).write_bytes(data)
    assert folder.path.joinpath("decisions.sqlite-wal").stat().st_size > 10_000


@pytest.mark.fault(5)
def test_the_decisions_of_a_killed_review_are_taken_over(audited: AuditFolder) -> None:
    killed(audited)
    before = contents(audited)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = read_decisions(audited)  # reads only
        assert not audited.decisions_file.exists()
        with DecisionStore.of(audited) as store:
            held = store.decisions()
            assert held == expected
            assert [each.sample for each in held] == IDS[:13]  # the last one was undone
            assert {(each.new, each.reason, each.who, each.at) for each in held} == {((1.5, -1e-7), "née", "ada", AT)}
            with store.reading() as ledger:
                assert ledger.head == 15
                assert ledger.redoable is not None
            again = store.decide(held[0], expected=0, key="key 0")  # sent again, since its answer was lost
            assert again.seq == 1
            assert store.redo(14).decision.sample == IDS[13]
        with DecisionStore.of(audited) as store:  # from the new file
            assert len(store.decisions()) == 14
    assert contents(audited) == before


@pytest.mark.fault(5)
def test_the_file_of_a_stopped_review_is_taken_over_with_a_warning(audited: AuditFolder) -> None:
    write_earlier(audited).close()
    before = contents(audited)
    assert list(before) == ["decisions.sqlite"]
    with pytest.warns(DeepGUMWarning, match="cannot be told. 15 rows were read"), DecisionStore.of(audited) as store:
        assert len(store.decisions()) == 13
    assert contents(audited) == before


def test_a_file_without_write_ahead_log_is_taken_over_without_a_warning(audited: AuditFolder) -> None:
    write_earlier(audited, mode="DELETE").close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with DecisionStore.of(audited) as store:
            assert len(store.decisions()) == 13


@pytest.mark.fault(5)
def test_a_write_ahead_log_without_its_file_is_refused_and_kept(audited: AuditFolder) -> None:
    killed(audited)
    audited.earlier_decisions_file.unlink()
    before = contents(audited)
    for use in (DecisionStore.of, read_decisions):
        with pytest.raises(
            DecisionsFileError, match=r"-wal' should have 'decisions.sqlite' beside it.*Bring that file"
        ):
            use(audited)
    assert contents(audited) == before
    assert list(before) == ["decisions.sqlite-wal"]
    assert not audited.decisions_file.exists()


@pytest.mark.fault(5)
def test_a_write_ahead_log_of_another_file_is_refused_and_kept(audited: AuditFolder, tmp_path: Path) -> None:
    killed(audited, 3)
    foreign = contents(audited)["decisions.sqlite-wal"]
    for path in audited.path.glob("decisions.sqlite*"):
        path.unlink()
    write_earlier(audited, 300).close()
    (audited.path / "decisions.sqlite-wal").write_bytes(foreign)
    before = contents(audited)
    with pytest.raises(DecisionsFileError, match=r"fit the files beside it|can be read"):
        DecisionStore.of(audited)
    assert contents(audited) == before
    assert not audited.decisions_file.exists()


def test_a_damaged_file_is_refused_and_kept(audited: AuditFolder) -> None:
    write_earlier(audited, mode="DELETE").close()
    with closing(sqlite3.connect(audited.earlier_decisions_file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_log_1'"
        (page,) = connection.execute(query).fetchone()
    data = bytearray(audited.earlier_decisions_file.read_bytes())
    place = data.index(b"key 3", size * (page - 1))
    data[place : place + 5] = b"kex 3"  # the table itself is whole, only its index is not
    audited.earlier_decisions_file.write_bytes(data)
    with pytest.raises(DecisionsFileError, match=r"Nothing was changed\. Bring back files"):
        DecisionStore.of(audited)
    assert audited.earlier_decisions_file.read_bytes() == data
    assert not audited.decisions_file.exists()


@pytest.mark.fault(21)
def test_the_earlier_decisions_of_a_read_only_folder_can_be_read(
    audited: AuditFolder, read_only: Callable[[Path], None]
) -> None:
    killed(audited)
    before = sorted(audited.path.iterdir())
    read_only(audited.path)
    assert len(read_decisions(audited)) == 13
    assert sorted(audited.path.iterdir()) == before


def test_an_earlier_file_of_another_audit_or_program_is_refused_and_kept(audited: AuditFolder, tmp_path: Path) -> None:
    def no_database(folder: AuditFolder) -> None:
        folder.earlier_decisions_file.write_bytes(b"not a database, but long enough to be taken for one" * 100)

    def another_program(folder: AuditFolder) -> None:
        with sqlite3.connect(folder.earlier_decisions_file) as connection:
            connection.execute("CREATE TABLE music (title)")

    def another_audit(folder: AuditFolder) -> None:
        write_earlier(folder, audit="0" * 64).close()

    for spoil, words in (
        (no_database, "not a database"),
        (another_program, "Found version 0"),
        (another_audit, r"about another audit \(15\), started 2026"),
    ):
        folder = AuditFolder(tmp_path / spoil.__name__)
        shutil.copytree(audited.path, folder.path)
        spoil(folder)
        before = contents(folder)
        for use in (DecisionStore.of, read_decisions):
            with pytest.raises(DecisionsFileError, match=words):
                use(folder)
        assert contents(folder) == before
        assert not folder.decisions_file.exists()


def test_decisions_are_not_taken_over_while_an_earlier_version_serves_them(audited: AuditFolder) -> None:
    killed(audited)
    with locked(audited.review_lock, ValueError), pytest.raises(OutputFolderError, match="Stop that server"):
        DecisionStore.of(audited)
    assert not audited.decisions_file.exists()
    assert len(read_decisions(audited)) == 13
