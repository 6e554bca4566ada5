"""The command `deepgum review`."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import click

from deepgum.cli.common import console, list_files
from deepgum.cli.options import TRUST, option
from deepgum.cli.values import FOLDER
from deepgum.errors import InvalidParameterError
from deepgum.storage.output import is_same_file

__all__ = ["review"]


def _exports(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Read the values of an option, each in the form KIND=FILE. The library checks the kinds."""
    files: list[tuple[str, Path]] = []
    for value in values:
        kind, equals, file = value.partition("=")
        if not equals or not file:
            raise InvalidParameterError("export", "KIND=FILE, for example patch=fixes.patch.jsonl", value)
        path = Path(file).expanduser()
        if any(is_same_file(path, other) for _, other in files):
            raise InvalidParameterError("export", "another file for each kind", value)
        files.append((kind, path))
    return files


@click.command(short_help="Keep, fix or drop flagged labels, in a browser.")
@click.argument("run", type=FOLDER)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    unset="the last port, or any",
    help="Port; 0 for any free port.",
)
@option("--who", default="", metavar="NAME", unset="the login name", help="Name of the reviewer.")
@option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@option(
    "--export",
    multiple=True,
    callback=_exports,
    metavar="KIND=FILE",
    help="Write the decisions to a file, without a review; an existing file is replaced; repeatable.",
)
@TRUST
def review(
    run: Path, port: int | None, who: str, no_browser: bool, export: list[tuple[str, Path]], trust: bool
) -> None:
    """Review the flagged labels of RUN, worst first, on a page in the browser.

    RUN is the folder of a finished audit, or of `deepgum score --out RUN`.

    For each label you can keep the label, accept the suggestion, fix the label (drag the landmark, or type the value),
    drop the label, or skip it, with a note if you like. Many labels that pass a filter can be decided at once. Each
    decision is stored at once in RUN/decisions.jsonl, with the name of the reviewer and the time. You can stop with
    Ctrl-C or close the page at any time. The same command continues the review. The page works without a mouse: press ?
    for a list of its keys.

    Only this machine can open the page, and only at the printed address. This command needs: pip install
    "deepgum[review]"

    \b
    Kinds of --export:
      patch           the decisions, one line per label, for `deepgum apply`
      csv             the decisions as a table, with notes, for spreadsheets
      label-studio    JSON to import into Label Studio
      coco            COCO keypoints, for landmarks
      fiftyone        JSON that FiftyOne reads

    \b
    Examples:
      deepgum review audits/faces
      deepgum review audits/faces --who ada --port 8100 --no-browser
      deepgum review audits/faces --export patch=fixes.patch.jsonl --export coco=fixed.json
    """
    if export:
        _export(run, export, trust)
    else:
        _serve(run, port, who, no_browser, trust)


def _export(run: Path, files: Sequence[tuple[str, Path]], trust: bool) -> None:
    from deepgum.audit.corrections.formats import ENDINGS, KINDS, Kind, export_decisions
    from deepgum.audit.folder import AuditFolder
    from deepgum.checks import check_choice
    from deepgum.experiments.own_files import own_files_near
    from deepgum.review.store import read_decisions
    from deepgum.storage.output import check_file

    kinds = [cast(Kind, check_choice("export", kind, KINDS)) for kind, _ in files]
    folder = AuditFolder(run, trust=trust)
    decisions = read_decisions(folder)
    for kind, (_, file) in zip(kinds, files, strict=True):
        check_file(file, "export", ENDINGS[kind], inputs=own_files_near(file))
    terminal = console()
    skipped = sum(decision.action == "skip" for decision in decisions)
    for kind, (_, file) in zip(kinds, files, strict=True):
        exported = export_decisions(folder, decisions, file, kind)
        count = f"{exported.decisions} decision{'' if exported.decisions == 1 else 's'}"
        left = f", without the {skipped} skipped label{'' if skipped == 1 else 's'}" if skipped else ""
        terminal.say(f"{kind}, {count}{left}. {exported.next}")
        list_files(terminal, exported.files)


def _serve(run: Path, port: int | None, who: str, no_browser: bool, trust: bool) -> None:
    from deepgum.audit.corrections.outcomes import OUTCOMES
    from deepgum.audit.folder import AuditFolder
    from deepgum.review.address import Address
    from deepgum.review.server import check_packages, serve
    from deepgum.review.session import Review

    check_packages()
    terminal = console()

    def ready(address: Address) -> None:
        terminal.say(f"Review: {address.url}")
        terminal.say("Each decision is stored at once. Ctrl-C ends the review; the same command continues it.")
        if not no_browser:
            import webbrowser

            # A browser that runs in the terminal returns only when the user leaves it.
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    with Review(AuditFolder(run, trust=trust), who) as opened:
        if not opened.places:
            terminal.say("No label is flagged, so there is nothing to review.")
            return
        with suppress(KeyboardInterrupt):
            serve(opened, port, ready)
        counts = opened.counts()
    left = counts.pop(None)
    done = [f"{OUTCOMES[name]} {count:,}" for name, count in counts.items() if name and count]
    terminal.say(f"\nStopped. {', '.join(done).capitalize() or 'Nothing decided'}; undecided {left:,}.")
    quoted = shlex.quote(str(run))
    if left:
        terminal.say(f"Continue:  deepgum review {quoted}")
    if any(counts.values()):
        terminal.say(f"Export:    deepgum review {quoted} --export patch=FILE")
