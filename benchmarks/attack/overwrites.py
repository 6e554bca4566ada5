"""Outputs on inputs: the output of a command is one of its inputs, or a file of a run, an audit or a comparison.

The command must be refused if it reads the file, however the path is spelled. Otherwise it may replace a link to the
file. No file may change. `plot` adds an ending to other names, so its outputs are pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from attack.materials import COMPARE
from attack.outcome import ACCEPTED, Outcome, call, classify, fault
from attack.workspace import Workspace

_INPUTS = {
    "score t.csv --inliers gaussian --out OUT": ["t.csv"],
    "score t.parquet --inliers gaussian --out OUT": ["t.parquet"],
    "predict run t.csv --out OUT": ["t.csv"],
    "predict run t.parquet --out OUT": ["t.parquet"],
    "apply p.patch.jsonl faces.csv --out OUT": ["faces.csv", "p.patch.jsonl"],
    "apply p.patch.jsonl faces.parquet --out OUT": ["faces.parquet", "p.patch.jsonl"],
    "gain audit p.patch.jsonl --seeds 1 --out OUT": ["p.patch.jsonl"],
    "export run --to OUT --overwrite": [],
    "report audit --out OUT": [],
    "review audit --export patch=OUT": [],
    "review audit --export coco=OUT": [],
    "plot comparison --out OUT": [],
}
"""Commands that write a file, and their inputs outside folders of results."""

_FOLDERS = ["run", "pictures", "audit", "comparison"]
_INTO_FOLDERS = {
    "fit run.toml --out OUT": ["pictures", "audit", "comparison", "images", "."],
    "audit audit.toml --out OUT": ["run", "comparison", "images", "."],
    " ".join([*COMPARE, "--out", "OUT"]): ["run", "pictures", "audit", "images", "."],
    "apply p.patch.jsonl faces.csv --out OUT": ["images", "audit"],
}


def _symbolic_link(path: str) -> str:
    os.symlink(path, "link" + Path(path).suffix)
    return "link" + Path(path).suffix


def _hard_link(path: str) -> str:
    os.link(path, "link" + Path(path).suffix)
    return "link" + Path(path).suffix


_SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda path: f"./{path}",
    lambda path: f"audit/../{path}",
    lambda path: str(Path.cwd() / path),
    _symbolic_link,
    _hard_link,
]


class Overwrite:
    """Outputs on inputs; see `Attack`."""

    name, attempts, limit = "outputs on inputs", 300, 60.0

    def prepare(self) -> None:
        """List the files of results."""
        self._workspace = Workspace(Path("."))
        self._own = [str(file) for folder in _FOLDERS for file in sorted(Path(folder).rglob("*")) if file.is_file()]

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Call a command with a path at which a file must stay."""
        if chance.random() < 0.2:
            command, folders = chance.choice(list(_INTO_FOLDERS.items()))
            target = chance.choice(folders)
            out = chance.choice(_SPELLINGS[:5])(target)
        else:
            command, inputs = chance.choice(list(_INPUTS.items()))
            own = [name for name in self._own if name.endswith((".png", ".svg")) or not command.startswith("plot")]
            target = chance.choice(inputs if inputs and chance.random() < 0.5 else own)
            out = chance.choice(_SPELLINGS)(target)
        outcome = classify(call([word.replace("OUT", out) for word in command.split()]))
        words = f"`{command.replace('OUT', out)}`, which is {target}"
        link = Path(f"link{Path(target).suffix}")
        link.unlink(missing_ok=True)
        changed = self._workspace.changed(["link.png", "link.svg"])
        self._workspace.restore()
        if changed:
            return fault(f"{words}: changed or added: {changed[:5]}, {outcome.kind}")
        if outcome.kind == ACCEPTED and any(word in (target, Path(target).parts[0]) for word in command.split()):
            return fault(f"{words}: it was accepted")
        return outcome if outcome.kind != "fault" else fault(f"{words}: {outcome.words}")


ATTACKS = [Overwrite()]
