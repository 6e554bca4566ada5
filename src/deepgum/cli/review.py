"""The command `deepgum review`."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import click

from deepgum.cli.common import FOLDER, console, list_files
from deepgum.errors import InvalidParameterError

__all__ = ["review"]


def _exports(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Read KIND=FILE; which kinds there are is the library's to know."""
    files: list[tuple[str, Path]] = []
    for value in values:
        kind, equals, file = value.partition("=")
        if not equals or not file:
            raise InvalidParameterError("export", "KIND=FILE, as in patch=fixes.patch.jsonl", value)
        path = Path(file).expanduser()
        if path.resolve() in [other.resolve() for _, other in files]:
            raise InvalidParameterError("export", "a file of its own for each", value)
        files.append((kind, path))
    return files


@click.command(short_help="Keep, fix or drop flagged labels, in a browser.")
@click.argument("run", type=FOLDER)
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="0 for any.  [default: last time's, or any]")
@click.option("--who", default="", metavar="NAME", help="Who decides.  [default: the login name]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@click.option("--export", multiple=True, callback=_exports, metavar="KIND=FILE", help="Only write this; repeatable.")
def review(run: Path, port: int | None, who: str, no_browser: bool, export: list[tuple[str, Path]]) -> None:
    """Go through the flagged labels of the finished audit RUN, worst first, in a page of this machine.

    For each: keep it, take the suggestion, fix it (drag the landmark, or type the value), drop it, or skip
    it. A decision is stored the moment it is made, in RUN/decisions.sqlite, with who and when. Stop with
    Ctrl-C, close the page, pull the plug: the same command goes on where you were. The page needs no mouse;
    its ? shows the keys.

    Only this machine can open the page, and only at the address that is printed. Needs:
    pip install "deepgum[review]"

    \b
    What --export writes of the decisions:
      patch           what was decided, a line a label: for `deepgum apply`, `git diff`, and people
      label-studio    JSON to import into Label Studio
      coco            COCO keypoints, of landmarks
      fiftyone        JSON that FiftyOne reads

    \b
    Examples:
      deepgum review audits/faces
      deepgum review audits/faces --who ada --port 8100 --no-browser
      deepgum review audits/faces --export patch=fixes.patch.jsonl --export coco=fixed.json
    """
    if export:
        _export(run, export)
    else:
        _serve(run, port, who, no_browser)


def _export(run: Path, files: Sequence[tuple[str, Path]]) -> None:
    from deepgum.audit.corrections.formats import KINDS, export_decisions
    from deepgum.audit.folder import AuditFolder
    from deepgum.checks import check_choice
    from deepgum.review.store import read_decisions

    kinds = [check_choice("export", kind, KINDS) for kind, _ in files]
    folder = AuditFolder(run)
    decisions = read_decisions(folder)
    terminal = console()
    count = f"{len(decisions)} decision{'' if len(decisions) == 1 else 's'}"
    for kind, (_, file) in zip(kinds, files, strict=True):
        exported = export_decisions(folder, decisions, file, cast(Any, kind))
        terminal.print(f"{kind}, {count}. {exported.next}", highlight=False, markup=False, soft_wrap=True)
        list_files(terminal, exported.files)


def _serve(run: Path, port: int | None, who: str, no_browser: bool) -> None:
    from deepgum.audit.folder import AuditFolder
    from deepgum.review.address import Address
    from deepgum.review.server import check_packages, serve
    from deepgum.review.session import Review

    check_packages()
    terminal = console()

    def say(text: str) -> None:
        terminal.print(text, highlight=False, markup=False, soft_wrap=True)

    def ready(address: Address) -> None:
        say(f"Review: {address.url}")
        say("Every decision is stored at once. Ctrl-C ends it; the same command goes on.")
        if not no_browser:
            import webbrowser

            # Some browsers of a terminal come back only when they are left.
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    with Review(AuditFolder(run), who) as opened:
        if not opened.places:
            say("No label is flagged: there is nothing to review.")
            return
        with suppress(KeyboardInterrupt):
            serve(opened, port, ready)
        counts = opened.counts()
    left = counts.pop(None)
    named = {"keep": "kept", "fix": "fixed", "drop": "dropped", "skip": "skipped"}
    done = [f"{count} {named[action]}" for action, count in counts.items() if action and count]
    say(f"\nStopped. {', '.join(done) or 'Nothing decided'}; {left} undecided.")
    quoted = shlex.quote(str(run))
    if left:
        say(f"Go on:   deepgum review {quoted}")
    if any(counts.values()):
        say(f"Export:  deepgum review {quoted} --export patch=FILE")
