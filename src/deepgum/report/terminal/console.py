"""The console of all commands. No text of a user can control the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from deepgum.report.terminal.printable import printable

__all__ = ["Terminal"]


class Terminal(Console):
    r"""A console that shows control characters as escape sequences: in tables, lines, warnings and bars.

    Examples
    --------
    >>> Terminal(width=40).print("an id: \x1b]0;title\x07")
    an id: \x1b]0;title
    >>> Terminal(width=40).say("an id: [b]\x1b]0;title\x07")
    an id: [b]\x1b]0;title\x07
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable, with their texts escaped. Segments of rich itself control the cursor."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def say(self, line: str) -> None:
        """Print a line as it is: without markup, without colours, and without line breaks at the width."""
        self.print(printable(line), highlight=False, markup=False, soft_wrap=True)
