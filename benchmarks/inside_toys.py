"""A loss, a data set, a reason and a density put into the package: which files change, and does each work by its name?

    python benchmarks/inside_toys.py > docs/results/house/inside-toys.txt

The classes are those of docs/architecture.md. The script copies `src/` to a temporary folder, adds each class as the
page says (a file in its room and an entry in the registry of the room), prints the changed files and their added lines
as git counts them, and uses the class by its name, in Python or by a command, with nothing else changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## Add something")[2]


@dataclass(frozen=True)
class Toy:
    """A class of the page, its place in the package, and a use of it by its name."""

    kind: str
    file: str
    registry: str
    edits: tuple[tuple[str, str], ...]
    """Pairs (text of the registry, what takes its place)."""
    use: str

    def code(self) -> str:
        """Return the class as the page shows it."""
        section = PAGE.partition(f"### A {self.kind}\n")[2]
        return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[0]


TOYS = (
    Toy(
        "loss",
        "losses/welsch.py",
        "losses/registry.py",
        (
            ("from deepgum.plugins", "from deepgum.losses.welsch import Welsch\nfrom deepgum.plugins"),
            ("    Biweight,\n)", "    Biweight,\n    Welsch,\n)"),
        ),
        "deepgum compare --dataset digits --methods l2,welsch --noise l-ugo --train-size 99 --epochs-max 2 --out out",
    ),
    Toy(
        "data set",
        "data/sets/springs.py",
        "data/sets/registry.py",
        (
            (
                "from deepgum.data.sets.table",
                "from deepgum.data.sets.springs import Springs\nfrom deepgum.data.sets.table",
            ),
            ('        "table": TableFile(),\n', '        "table": TableFile(),\n        "springs": Springs(),\n'),
        ),
        "deepgum fit springs.toml --out run",
    ),
    Toy(
        "reason",
        "audit/reasons/placeholder.py",
        "audit/reasons/registry.py",
        (
            (
                "from deepgum.audit.reasons.swapped",
                "from deepgum.audit.reasons.placeholder import Placeholder\nfrom deepgum.audit.reasons.swapped",
            ),
            ("        Copy(),\n", "        Placeholder(),\n        Copy(),\n"),
        ),
        "deepgum score ages.csv --out scores.csv",
    ),
    Toy(
        "density",
        "posteriors/densities.py",
        "posteriors/densities.py",
        (('"student-t": StudentT}', '"student-t": StudentT, "laplace": Laplace}'),),
        "deepgum score ages.csv --inliers laplace --out scores.csv",
    ),
)
SPRINGS = """[data]
name = "springs"

[model]
name = "mlp"

[training]
epochs_max = 2
"""


def table() -> str:
    """Return a table of ages with predictions, whose first eight ages are 99."""
    drawn = np.random.default_rng(0)
    predicted = drawn.uniform(20, 60, 200)
    ages = predicted + drawn.laplace(0, 2, 200)
    ages[:8] = 99
    rows = (f"{age:.2f},{prediction:.2f}" for age, prediction in zip(ages, predicted, strict=True))
    return "\n".join(["age,pred_age", *rows]) + "\n"


def add(toy: Toy, package: Path) -> None:
    """Write the class into its file, before the registry if that is the same file, and edit the registry."""
    registry, code = package / toy.registry, toy.code()
    if toy.file == toy.registry:
        body = code[code.index("class ") :]
        text = registry.read_text("utf-8").replace("DENSITIES: dict", f"{body}\n\nDENSITIES: dict")
        text = text.replace(
            "from torch import Tensor\n", "from scipy.special import gammainc\nfrom torch import Tensor\n"
        )
    else:
        (package / toy.file).write_text(code, "utf-8")
        text = registry.read_text("utf-8")
    for old, new in toy.edits:
        if text.count(old) != 1:
            raise SystemExit(f"{toy.registry} should contain {old!r} once. Found it {text.count(old)} times.")
        text = text.replace(old, new)
    registry.write_text(text, "utf-8")


def main() -> None:
    """Add each toy to a fresh copy of the package, print the changed files, and use the toy."""
    for toy in TOYS:
        with tempfile.TemporaryDirectory() as name:
            copy, work = Path(name, "copy"), Path(name, "work")
            shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
            work.mkdir()
            (work / "ages.csv").write_text(table(), "utf-8")
            (work / "springs.toml").write_text(SPRINGS, "utf-8")
            git = ["git", "-c", "user.name=toy", "-c", "user.email=toy", "-C", str(copy)]
            for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Package"]):
                subprocess.run([*git, *command], check=True)
            add(toy, copy / "src" / "deepgum")
            subprocess.run([*git, "add", "."], check=True)
            counts = subprocess.run([*git, "diff", "--cached", "--numstat"], check=True, capture_output=True, text=True)
            print(f"A {toy.kind}: lines added and removed, file")
            print(counts.stdout.rstrip())
            environment = os.environ | {"PYTHONPATH": str(copy / "src"), "COLUMNS": "120"}
            command = [sys.executable, "-m", *toy.use.split()]
            done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
            print(f"$ {toy.use}\n{done.stdout.rstrip()}\nexit code {done.returncode}\n", flush=True)
            if done.returncode:
                raise SystemExit(done.stderr)


if __name__ == "__main__":
    main()
