"""The time of an audit counts all processes that worked on it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deepgum.experiments.audits.clock import Clock


def test_a_later_process_goes_on_where_the_last_one_kept_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    first = Clock(tmp_path / "seconds")
    now[0] += 40
    first.keep()
    now[0] += 7  # lost, because the process is killed before it keeps its time again
    now[0] = 5.0  # another process, whose clock starts elsewhere
    second = Clock(tmp_path / "seconds")
    now[0] += 2
    assert second.seconds == pytest.approx(42)
    assert now[0] - second.began == pytest.approx(42)
    second.keep()
    assert Clock(tmp_path / "seconds").seconds == pytest.approx(42)


@pytest.mark.parametrize("content", ["", "soon", "-5", "nan", "é"])
def test_a_damaged_file_is_no_time(tmp_path: Path, content: str) -> None:
    (tmp_path / "seconds").write_text(content, encoding="utf-8")
    assert 0 <= Clock(tmp_path / "seconds").seconds < 60
