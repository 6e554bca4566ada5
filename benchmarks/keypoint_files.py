"""Keypoint files with moved keypoints: what an audit and a score find, and whether corrections come back into the file.

    python benchmarks/keypoint_files.py --lfw-net DATA/lfw_net --out docs/results/keypoints/README.md
    python benchmarks/keypoint_files.py                          # digits, if there are no faces

A tenth of the keypoints is moved by up to half of the box in x and in y. For each format:

1. `deepgum audit FILE --images DIR` trains a small network in folds, and flags keypoints.
2. The predictions of the audit, which are out of fold, are written to a file; `deepgum score` reads it.
3. All flags of the audit are decided: "fix" with the suggestion, "drop" without one. `deepgum review --export` writes a
   patch, and `deepgum apply` a new file.
4. Another program reads the new file. It has to find the decided points, and all other points and bytes unchanged.

Precision and recall count keypoints that are moved by more than 5 % of the width of the box.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from click.testing import CliRunner
from numpy.typing import NDArray

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main as deepgum
from deepgum.review.store import DecisionStore
from keypoints.formats import FORMATS, Format
from keypoints.material import RATE, Material, digits, faces

Values = NDArray[np.float64]


def call(*arguments: object) -> str:
    """Run a command of deepgum, and return its output."""
    result = CliRunner().invoke(deepgum, list(map(str, arguments)))
    if result.exit_code:
        sys.exit(f"deepgum {' '.join(map(str, arguments))}\n{result.output}\n{result.exception!r}")
    return result.output


def found(flags: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> dict[str, str]:
    """Return precision and recall of flags in percent."""
    right = int((flags & wrong).sum())
    return {
        "flags": f"{int(flags.sum()):,}",
        "precision": f"{100 * right / max(int(flags.sum()), 1):.1f}",
        "recall": f"{100 * right / max(int(wrong.sum()), 1):.1f}",
    }


def decide(folder: AuditFolder) -> dict[tuple[int, int], tuple[float, ...] | None]:
    """Decide about all flags, and return the new points; None for a dropped one."""
    labels = folder.labels()
    decided = {}
    with DecisionStore.of(folder) as store:
        for row, group in labels.worst_first():
            new = labels.suggested[row, list(labels.partition[group])]
            place = None if np.isnan(new).any() else tuple(new.round(2).tolist())
            decided[row, group] = place
            action: Any = "drop" if place is None else "fix"
            store.decide(Decision(labels.ids[row], labels.group_names[group], action, place, "benchmark", "nobody"))
    return decided


def scored_flags(path: Path, n: int, k: int) -> NDArray[np.bool_]:
    """Return the flags (n, k) in a file of scores, whose rows are in the order of the instances."""
    values = pq.read_table(path, columns=["responsibility"]).column(0).to_pylist()
    return np.array([value is not None and value < 0.5 for value in values]).reshape(n, k)


def try_format(form: Format, material: Material, folder: Path, epochs: int) -> dict[str, str]:
    """Do the steps for one format, and return the cells of its row."""
    begun = time.perf_counter()
    n, k = material.given.shape[:2]
    file = form.write(material, folder)
    before = shutil.copy(file, folder / f"before-{file.name}")
    options = ["--epochs", epochs, "--folds", 3, "--rounds", 2, "--image-size", 48]
    run = folder / "run"
    call("audit", file, "--images", material.images, "--out", run, *options)
    audit = AuditFolder(run)
    labels = audit.labels()
    cells = {f"audit: {name}": text for name, text in found(labels.flags, material.wrong).items()}
    predicted = labels.predicted.reshape(n, k, 2)
    predictions = form.write_predictions(material, predicted, file)
    call("score", file, predictions, "--images", material.images, "--out", folder / "scores.parquet")
    flags = scored_flags(folder / "scores.parquet", n, k)
    cells |= {f"score: {name}": text for name, text in found(flags, material.wrong).items()}
    decided = decide(audit)
    call("review", run, "--export", f"patch={folder / 'fixes.patch.jsonl'}")
    new = folder / f"new-{file.name}"
    call("apply", folder / "fixes.patch.jsonl", file, "--out", new)
    expected = form.read(file, material)
    for (row, keypoint), place in decided.items():
        expected[row, keypoint] = np.nan if place is None else place
    got = form.read(new, material)
    unlike = int((~np.isclose(got, expected, atol=5e-3, equal_nan=True)).any(axis=2).sum())
    beyond = dict(form.beyond(file, new, {row for row, _ in decided}))
    error = np.linalg.norm(got - material.truth, axis=2) / material.boxes[:, 2:3]
    earlier = np.linalg.norm(material.given - material.truth, axis=2) / material.boxes[:, 2:3]
    cells |= {
        "fixed": f"{sum(place is not None for place in decided.values()):,}",
        "dropped": f"{sum(place is None for place in decided.values()):,}",
        "points not as decided": f"{unlike:,}",
        **{name: f"{count:,}" for name, count in beyond.items()},
        "points off by 5 % of the box, before": f"{int((earlier > 0.05).sum()):,}",
        "after": f"{int((error > 0.05).sum()):,}",
        "the audited file is unchanged": "yes" if file.read_bytes() == Path(before).read_bytes() else "NO",
        "seconds": f"{time.perf_counter() - begun:.0f}",
    }
    return cells


def report(material: Material, rows: Mapping[str, Mapping[str, str]], command: str) -> str:
    """Return a page in Markdown."""
    n, k = material.given.shape[:2]
    moved = int((material.given.round(2) != material.truth.round(2)).any(axis=2).sum())
    lines = [
        "# Keypoint files: wrong keypoints found, and corrections that come back",
        "",
        f"    {command}",
        "",
        f"{n:,} instances with {k} keypoints, of which {moved:,} were moved ({100 * RATE:g} % asked for), "
        f"{int(material.wrong.sum()):,} of them by more than 5 % of the box.",
        "",
        f"| | {' | '.join(rows)} |",
        f"|---{'|---:' * len(rows)}|",
    ]
    names = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    lines += [f"| {name} | {' | '.join(cells.get(name, '-') for cells in rows.values())} |" for name in names]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Try all formats, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("DEEPGUM_DATA")
    parser.add_argument("--lfw-net", type=Path, default=Path(data) / "lfw_net" if data else None)
    parser.add_argument("--count", type=int, default=2000, help="number of instances")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--out", type=Path, help="a file for the page")
    given = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if given.lfw_net is not None and given.lfw_net.is_dir():
            material = faces(given.lfw_net, given.count, given.seed)
        else:
            material = digits(root / "images", given.count, given.seed)
        for form in given.formats:
            (root / form).mkdir()
            rows[form] = try_format(FORMATS[form], material, root / form, given.epochs)
    source = " --lfw-net DATA/lfw_net" if material.images == given.lfw_net else ""
    some = "" if given.formats == list(FORMATS) else f" --formats {' '.join(given.formats)}"
    command = f"python benchmarks/keypoint_files.py{source} --count {given.count} --epochs {given.epochs}{some}"
    page = report(material, rows, command)
    print(page)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
