"""Docstrings and messages at random, for a person who has not seen the code: which of them need a second reading?

    python benchmarks/draw_for_reader.py --seed 0
    python benchmarks/draw_for_reader.py --seed 0 --tree OTHER_CHECKOUT

The script draws from `src/` of a checkout: docstrings of modules, classes and functions, each without its examples, and
messages, which are the texts of exceptions and warnings; a value that a message contains is shown as its expression in
braces. The reader marks each text that needs a second reading.
"""

from __future__ import annotations

import argparse
import ast
import random
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAST_WORDS = 4  # a shorter text is a name


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring, without its examples."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                name = "" if isinstance(node, ast.Module) else f"{node.name}: "
                yield getattr(node, "lineno", 1), name + text.split("\nExamples\n")[0].rstrip()


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each exception and warning."""
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node if isinstance(node, ast.Call) else None
        if not isinstance(call, ast.Call):
            continue
        if not isinstance(node, ast.Raise) and not ast.unparse(call.func).endswith("warn"):
            continue
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = [_text(part) for part in given if isinstance(part, ast.Constant | ast.JoinedStr)]
        yield call.lineno, " | ".join(text for text in texts if text)


def _text(node: ast.expr) -> str:
    """Return the text of a string, formatted or not; nothing for another constant."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def main() -> None:
    """Print the texts that the seed draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=ROOT, help="root of a checkout; by default the one of this script")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--docstrings", type=int, default=40)
    parser.add_argument("--messages", type=int, default=20)
    options = parser.parse_args()
    drawn = random.Random(options.seed)
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted((options.tree / "src").rglob("*.py"))}
    for title, number, texts_of in (
        ("Docstring", options.docstrings, docstrings),
        ("Message", options.messages, messages),
    ):
        texts = [
            (f"{path.relative_to(options.tree)}:{line}", text)
            for path, tree in trees.items()
            for line, text in texts_of(tree)
            if len(text.split()) >= LEAST_WORDS
        ]
        for count, (place, text) in enumerate(drawn.sample(texts, min(number, len(texts))), 1):
            print(f"{title} {count} of {len(texts)}: {place}\n{textwrap.indent(text, '    ')}\n")


if __name__ == "__main__":
    main()
