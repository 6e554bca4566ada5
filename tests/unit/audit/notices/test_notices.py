"""Notices on the data come before every verdict, wherever a summary is shown."""

import json
from dataclasses import replace

from rich.console import Console

from deepgum.audit.scoring.score import Scored
from deepgum.audit.summary import AuditSummary
from deepgum.report.page import write_report
from deepgum.report.terminal.score import scores
from deepgum.review.session import Review

NOTICE = "12 labels have the very same value <-9999>: give --missing=-9999."


def noticed(write_audit, folder):
    audit = write_audit(folder)
    summary = replace(audit.summary(), notices=(NOTICE,))
    audit.write(summary, audit.labels(), audit.pictures())
    return audit, summary


def test_notices_come_first_in_every_output(write_audit, tmp_path):
    audit, summary = noticed(write_audit, tmp_path)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(scores(summary, []))
    page = write_report(audit).read_text(encoding="utf-8")
    with Review(audit, "ada") as review:
        assert review.data["notices"] == [NOTICE]
    escaped = NOTICE.replace("<", "&lt;").replace(">", "&gt;")
    for text, notice in (
        (console.export_text(), NOTICE),
        (str(Scored(audit.labels(), summary, ())), NOTICE),
        (page[page.index("<main>") :], escaped),
    ):
        assert 0 <= text.index(notice) < text.index(summary.verdict.rstrip("."))


def test_summaries_keep_notices_and_old_ones_have_none(write_audit, tmp_path):
    audit, summary = noticed(write_audit, tmp_path)
    path = tmp_path / "summary.json"
    summary.write(path)
    assert AuditSummary.read(path) == summary == audit.summary()
    values = json.loads(path.read_text())
    del values["notices"]
    path.write_text(json.dumps(values))
    assert AuditSummary.read(path).notices == ()
