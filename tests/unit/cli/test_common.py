"""All commands handle errors and signals in one way, and print texts of users safely."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.text import Text

from deepgum.audit.scoring.tally import Flag
from deepgum.cli.common import Commands, console, list_files, session
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError
from deepgum.report.terminal.console import Terminal
from deepgum.report.terminal.score import worst_table
from deepgum.storage.disk import write_atomically


def run(work):
    """Run a function as a command of a group of the class `Commands`."""
    group = Commands("group")
    group.add_command(click.Command("work", callback=work))
    return CliRunner(env={"COLUMNS": "400"}).invoke(group, ["work"])


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


@pytest.mark.fault(14)
def test_the_exit_status_of_sigterm_does_not_depend_on_the_place(tmp_path):
    (tmp_path / "program.py").write_text(
        "import click, sys\n"
        "from deepgum.cli.common import Commands\n"
        "group = Commands('group')\n"
        "end = 'import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(10)'\n"
        "group.add_command(click.Command('work', callback=lambda: exec(end)))\n"
        "group(['work'])"
    )
    # Started as `python -m`, Python itself would turn the interrupt into the exit status of SIGINT.
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, env=os.environ, capture_output=True)
    assert done.returncode == 143


@pytest.mark.fault(14)
def test_sigterm_has_its_exit_status_even_if_other_code_turns_the_interrupt_into_an_error():
    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error  # as a class statement of Python 3.11 does

    assert run(work).exit_code == 143


def test_a_handler_of_the_calling_program_stays():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("theirs"))
    try:
        assert run(lambda: os.kill(os.getpid(), signal.SIGTERM)).exit_code == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == ["theirs"]


# ---- texts of users on the terminal

NASTY = "\x1b]0;owned\x07\x9b31m\rover\u202etxt.exe\udcff"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def ways():
    def fail():
        raise InvalidDataError(f"A cell should be a number. Found {NASTY}.")

    def fail_to_read():
        raise FileNotFoundError(errno.ENOENT, "No such file", NASTY)

    def use_wrongly():
        raise click.UsageError(f"No such option: {NASTY}")

    def warn():
        warnings.warn(NASTY, DeepGUMWarning, stacklevel=1)

    def warn_in_a_session():
        with session(None, ""):
            warnings.warn(NASTY, DeepGUMWarning, stacklevel=1)

    def report():
        with session(None, "") as (_, reporter):
            reporter.say(NASTY)
            reporter.computing(1, 1)

    def list_a_file():
        list_files(console(), [Path(NASTY)])

    def show_flags():
        console().print(worst_table([Flag(NASTY, NASTY, (1.0,), (2.0,), 0.001, 9.0, NASTY, "")]))

    def show_a_string():
        console().print(f"Groups: {NASTY}")

    return [fail, fail_to_read, use_wrongly, warn, warn_in_a_session, report, list_a_file, show_flags, show_a_string]


@pytest.mark.fault(20)
@pytest.mark.parametrize("way", ways(), ids=lambda way: way.__name__)
def test_no_text_of_a_user_reaches_the_terminal_with_control_characters(way):
    result = run(way)
    assert not isinstance(result.exception, UnicodeError)
    assert "owned" in result.output
    assert not RAW.search(result.output)
    assert "\\x1b]0;owned" in result.output
    assert "\\u202etxt.exe\\udcff" in result.output


@pytest.mark.fault(20)
def test_a_terminal_with_colours_gets_only_the_colours_of_the_library(monkeypatch):
    file = io.StringIO()
    terminal = Terminal(file=file, force_terminal=True, width=80, color_system="truecolor")
    terminal.print(Text(NASTY, style="bold"))
    assert file.getvalue().startswith("\x1b[1m")
    assert "\x1b]0" not in file.getvalue()
    assert "\\x1b]0;owned" in file.getvalue()


def test_an_error_about_an_option_names_it_as_the_user_types_it():
    def work(periods):
        raise InvalidParameterError("periods" if periods else "folds", "a number", periods, "Leave it out.")

    group = Commands("group")
    group.add_command(click.Command("work", callback=work, params=[click.Option(["--period", "periods"])]))
    shown = CliRunner(env={"COLUMNS": "400"}).invoke(group, ["work", "--period", "x"]).output
    assert shown == "Error: Parameter `--period` should be a number. Found `--period = 'x'`. Leave it out.\n"
    assert "Parameter `folds`" in CliRunner().invoke(group, ["work"]).output
