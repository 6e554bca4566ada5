"""Draw `docs/images/architecture.svg` from the imports, and print the size of each room.

    python docs/architecture_picture.py                       # draws the picture, prints the table
    PYTHONPATH=OTHER/src python docs/architecture_picture.py --table   # the table of another version

The left side has one box per room; an arrow leads from a room to a room that it imports. Arrows that follow from others
are left out. The right side has the number of imports between each two rooms. A number below the diagonal would be an
import that goes upward.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import grimp
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

matplotlib.rcParams["svg.hashsalt"] = "architecture"  # the same picture in every run

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
GROUND = "ground"
"""The room that stands for the single files at the bottom, which every room may import."""
ROOM, LINE, INK = "#e8eef7", "#4a6fa5", "#1b1b1b"

Arrows = Mapping[tuple[str, str], int]


def layers() -> list[list[str]]:
    """Return the layers of the import contract, from top to bottom."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def measure() -> tuple[dict[str, int], Counter[tuple[str, str]], int]:
    """Return the number of files per room, of imports between rooms, and of rooms that import each other.

    A room is a package or a file directly below `deepgum`.
    """
    graph = grimp.build_graph("deepgum", exclude_type_checking_imports=True)
    files: Counter[str] = Counter()
    arrows: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        if module == "deepgum":
            continue
        room = module.split(".")[1]
        files[room] += 1
        for imported in graph.find_modules_directly_imported_by(module):
            other = imported.split(".")[1] if imported != "deepgum" else room
            if other != room:
                arrows[room, other] += 1
    mutual = sum((b, a) in arrows for a, b in arrows) // 2
    return dict(files), arrows, mutual


def reduced(rooms: Sequence[str], arrows: Arrows) -> set[tuple[str, str]]:
    """Return the arrows that do not follow from a longer way."""
    follows = {room: {b for a, b in arrows if a == room} for room in rooms}

    def reach(room: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(follows[room])
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += follows[place]
        return seen

    return {(a, b) for a, b in arrows if not any(b in reach(c) for c in follows[a] if c != b)}


def table(files: Mapping[str, int], arrows: Arrows, mutual: int) -> str:
    """Return the size of each room as text."""
    lines = [f"{'room':<14}{'files':>6}{'imports':>9}{'imported':>10}"]
    for room in sorted(files, key=lambda name: (-files[name], name)):
        out = sum(count for (a, _), count in arrows.items() if a == room)
        into = sum(count for (_, b), count in arrows.items() if b == room)
        lines.append(f"{room:<14}{files[room]:>6}{out:>9}{into:>10}")
    pairs = f"{len(arrows)} pairs of rooms, {mutual} of them in both directions"
    return "\n".join([*lines, f"{sum(files.values())} files, {sum(arrows.values())} imports between rooms, {pairs}"])


def draw(files: Mapping[str, int], arrows: Arrows) -> None:
    """Write the picture."""
    rows = [[name for name in layer if name in files] for layer in layers()]
    single = [name for layer in rows for name in layer if not (ROOT / "src" / "deepgum" / name).is_dir()]
    lowest = [name for name in single if name not in ("__main__", "lightning", "trunk_cache", "residuals", "styles")]
    rows = [kept for layer in rows if (kept := [name for name in layer if name not in (*lowest, "__main__")])] + [
        [GROUND]
    ]
    home = {name: GROUND if name in lowest else name for name in files}
    merged: Counter[tuple[str, str]] = Counter()
    for (a, b), count in arrows.items():
        if "__main__" not in (a, b) and home[a] != home[b]:
            merged[home[a], home[b]] += count
    rooms = [name for layer in rows for name in layer]
    sizes = {name: sum(files[file] for file in files if home[file] == name) for name in rooms}

    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 8.4), width_ratios=(1.05, 1))
    place = {
        name: ((column + 0.5) / len(layer), -row) for row, layer in enumerate(rows) for column, name in enumerate(layer)
    }
    for a, b in sorted(reduced(rooms, merged)):
        (xa, ya), (xb, yb) = place[a], place[b]
        bend = 0.0 if ya - yb <= 1 else (0.22 if xa <= 0.5 else -0.22)
        style = {"arrowstyle": "-|>", "color": LINE, "lw": 1.1, "connectionstyle": f"arc3,rad={bend}"}
        left.annotate("", (xb, yb + 0.3), (xa, ya - 0.3), arrowprops=style, zorder=1)
    for name, (x, y) in place.items():
        folder = ROOT / "src" / "deepgum" / name
        inside = sorted(path.parent.name for path in folder.glob("*/__init__.py") if path.parent.name != "assets")
        words = " ".join(sorted(lowest) if name == GROUND else inside)
        width = 0.9 if name == GROUND else 0.46
        shape = "round,pad=0,rounding_size=0.02"
        left.add_patch(FancyBboxPatch((x - width / 2, y - 0.3), width, 0.6, boxstyle=shape, fc=ROOM, ec=LINE, zorder=2))
        title = f"{name} ({sizes[name]})"
        left.text(x, y + (0.1 if words else 0), title, ha="center", va="center", weight="bold", color=INK, zorder=3)
        left.text(x, y - 0.16, words, ha="center", va="center", size=8, color=INK, zorder=3)
    left.set(xlim=(-0.02, 1.02), ylim=(-len(rows) + 0.5, 0.5))
    left.axis("off")
    left.set_title("Rooms, with their number of files; arrows lead to what is imported", size=11)

    counts = np.array([[merged.get((a, b), 0) for b in rooms] for a in rooms])
    right.imshow(np.where(counts > 0, np.log1p(counts), np.nan), cmap="Blues", vmin=0, vmax=6)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            right.text(column, row, str(count), ha="center", va="center", size=8, color="white" if count > 40 else INK)
    right.plot([-0.5, len(rooms) - 0.5], [-0.5, len(rooms) - 0.5], color="#999999", lw=0.8)
    right.set_xticks(range(len(rooms)), rooms, rotation=60, ha="right")
    right.set_yticks(range(len(rooms)), rooms)
    right.tick_params(length=0)
    right.set_title("Imports: a row imports a column. No number below the line: nothing imports upward", size=11)
    right.spines[:].set_visible(False)
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table only")
    options = parser.parse_args(arguments)
    files, arrows, mutual = measure()
    print(table(files, arrows, mutual))
    if not options.table:
        draw(files, arrows)
        print(f"Written: {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
