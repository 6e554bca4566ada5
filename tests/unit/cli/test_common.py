"""What all commands share: errors, signals, and what they print."""

import os
import signal
import time

import click
import pytest
from click.testing import CliRunner

from deepgum.cli.common import Commands
from deepgum.storage.disk import write_atomically


def run(work):
    """Run a function as a command of a group of the class `Commands`."""
    group = Commands("group")
    group.add_command(click.Command("work", callback=work))
    return CliRunner().invoke(group, ["work"])


@pytest.mark.fault(14)
def test_sigterm_ends_a_command_and_removes_its_temporary_files(tmp_path):
    def work():
        with write_atomically(tmp_path / "out.csv") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    result = run(work)
    assert result.exit_code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_the_calling_program_stays():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("theirs"))
    try:
        assert run(lambda: os.kill(os.getpid(), signal.SIGTERM)).exit_code == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == ["theirs"]
