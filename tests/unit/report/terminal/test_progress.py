import io

import pytest
from rich.console import Console

from deepgum.audit.summary import Round
from deepgum.experiments.paper.records import RunKey, RunRecord
from deepgum.report.terminal import progress
from deepgum.report.terminal.progress import Reporter
from deepgum.training.history import EpochRecord, RoundRecord

RUN = RunKey("deepgum", "l-ugo", 0.4, 0, "landmark", {}, {})
RECORD = RunRecord("deepgum", "l-ugo", 0.4, 0, 0.123, 0.03, 0.02, 0.9, 0.8, 0.9, 9, 1.5, 3000, 48)
ROUND = RoundRecord(1, (0.6,), (1.0,), (((1.0,),),), (3,), ("converged",), 7, 0.5, 0.1)


def epoch(number, round=0):
    return EpochRecord("l2", round, number, 0.5, 0.25, 0.1, best=True)


def tell(reporter):
    with reporter:
        reporter.reading(1, 2)
        reporter.reading(2, 2)
        reporter.started(total=3, finished=1)
        reporter.run_started(RUN, 2)
        reporter.trained(epoch(1))
        reporter.trained(ROUND)
        reporter.trained(epoch(4, round=2))
        reporter.run_finished(RUN, RECORD)


def test_plain_lines_where_there_is_no_terminal():
    console = Console(file=io.StringIO())
    tell(Reporter(console))
    assert console.file.getvalue().splitlines() == [
        "Reading images: 2 of 2.",
        "3 runs, 1 of them already finished.",
        "DeepGUM, l-UGO 40 %, seed 0: failure rate 12.3 %, 9 epochs, 2 s",
    ]


def test_a_long_run_says_that_it_lives(monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.0)
    console = Console(file=io.StringIO())
    tell(Reporter(console))
    lines = console.file.getvalue().splitlines()
    assert "DeepGUM, l-UGO 40 %, seed 0: epoch 1, validation score 0.25 (lower is better)" in lines
    assert "DeepGUM, l-UGO 40 %, seed 0: round 2, epoch 4, validation score 0.25 (lower is better)" in lines


def test_a_terminal_gets_bars_and_keeps_the_outcomes():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    tell(Reporter(console))
    text = console.file.getvalue()
    assert "failure rate 12.3 %" in text
    assert "\x1b[" in text


def test_the_bars_end_with_an_error():
    console = Console(file=io.StringIO(), force_terminal=True)
    reporter = Reporter(console)
    with pytest.raises(RuntimeError), reporter:
        raise RuntimeError
    assert reporter._progress.live.is_started is False


def test_an_audit_says_the_time_left_once_it_can_be_known(monkeypatch):
    """Two stored networks take no time; the third takes 40 s, so that the three others take 120 s."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 5.0)
    console = Console(file=io.StringIO())
    reporter = Reporter(console)
    reporter._left = None
    reporter.audit_started(3, 2, epochs=4, quick=False)
    reporter._left._now = lambda: clock[0]
    for number in (1, 2, 3):
        reporter.fit_started(number)
    for number, seconds in ((1, 100), (2, 10), (3, 10), (4, 10)):  # the first epoch also waits for other things
        clock[0] += seconds
        reporter.trained(epoch(number))
    reporter.fit_started(4)
    clock[0] += 10
    reporter.trained(epoch(1))
    lines = [line.rpartition(", at most about ")[2] for line in console.file.getvalue().splitlines() if "left" in line]
    # Three networks of 40 s after the third, and then the third took 130 s in all.
    assert lines == ["2 min 20 s left", "2 min 10 s left", "2 min 0 s left", "6 min 20 s left"]


@pytest.mark.parametrize(("quick", "seconds", "advised"), [(False, 140, 1), (False, 50, 0), (True, 140, 0)])
def test_after_its_first_network_a_long_audit_says_once_how_to_get_a_first_look(monkeypatch, quick, seconds, advised):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    console = Console(file=io.StringIO())
    reporter = Reporter(console)
    reporter.audit_started(3, 2, epochs=1, quick=quick)
    reporter._left._now = lambda: clock[0]
    for number in (1, 2, 3):
        reporter.fit_started(number)
        clock[0] += seconds
        reporter.trained(epoch(1))
        assert console.file.getvalue().count("again with --quick") == (advised if number > 1 else 0)


def test_an_audit_says_its_number_of_networks():
    def said(folds, rounds):
        console = Console(file=io.StringIO())
        Reporter(console).audit_started(folds, rounds, epochs=1, quick=False)
        return console.file.getvalue().strip()

    assert said(2, 1) == "1 round of 2 networks."
    assert said(5, 3) == "Up to 3 rounds of 5 networks, until the flags no longer change."


def test_short_scoring_is_silent_and_long_scoring_says_the_time_left(monkeypatch):
    def output(now):
        times = iter(now)
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
        console = Console(file=io.StringIO())
        reporter = Reporter(console)
        for done in (0, 1, 10, 50, 100):
            reporter.scoring(done, 100)
        return console.file.getvalue().splitlines()

    assert output([0.0, 0.0, 0.5, 0.6, 1.0, 2.0]) == []
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.0)
    lines = output([0.0, 0.0, 9.0, 9.0, 10.0, 10.0, 60.0, 60.0, 100.0])
    assert lines == [
        "Scoring labels: 1 of 100 %.",  # the rate of the first percent says little of the others
        "Scoring labels, about 1 min 30 s left: 10 of 100 %.",
        "Scoring labels, about 1 min 0 s left: 50 of 100 %.",
    ]


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.1388, ", estimate: 14 % wrong,"), (0.0234, ", estimate: 2.3 % wrong,"), (None, "flagged, 9 s")],
)
def test_the_line_of_a_round_says_that_its_share_is_the_estimate(share, words):
    console = Console(file=io.StringIO(), width=200)
    with Reporter(console) as reporter:
        reporter.round_finished(Round(0, 2, 341, 341, share, 9.0))
    assert words in console.file.getvalue()
