"""Mutated inputs: a file is changed, and a command reads it.

The command must refuse the file with a message, or accept it. Then its output must be right, as far as the check of the
attack can tell. In both cases no other file may change.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow.parquet as pq

from attack.children import TimeUp, at_most
from attack.materials import COMPARE, ROWS
from attack.mutations import mutate
from attack.outcome import ACCEPTED, Outcome, call, classify, describe, fault
from attack.workspace import Workspace, leftovers
from deepgum.audit.folder import AuditFolder
from deepgum.errors import DeepGUMError
from deepgum.review.session import Review


class Reader(NamedTuple):
    """A command that reads the mutated file.

    Parameters
    ----------
    command : str
        The command. "look" opens a review, as `deepgum review` does, and reads its data and its first picture.
    outputs : tuple of str
        Files and folders that the command may write.
    """

    command: str
    outputs: tuple[str, ...] = ()


@dataclass
class MutatedInput:
    """Mutations of one kind of file; see `Attack`.

    Parameters
    ----------
    cases : sequence of (str, Reader)
        Each file with a command that reads it. An attempt draws one pair.
    check : callable
        Function of the mutated file, its content before, and the output folder, that returns what is wrong with the
        output of a command that accepted the file; "" for nothing.
    working : callable
        Function that returns whether the command has begun its work. A time limit then is no fault: the file asks for
        much work.
    """

    name: str
    attempts: int
    cases: Sequence[tuple[str, Reader]]
    check: Callable[[Path, bytes], str] = lambda path, before: ""
    working: Callable[[], bool] = lambda: False
    limit: float = 30.0
    seconds: float = 20.0

    def prepare(self) -> None:
        """Note the first state of the working folder."""
        self._workspace = Workspace(Path("."))

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Mutate a file, and let a command read it."""
        name, reader = chance.choice(self.cases)
        path = Path(name)
        before = path.read_bytes()
        words = f"`deepgum {reader.command}`, {name}, {mutate(path, chance)}"
        mutated = path.read_bytes()
        outcome = self._read(reader, path, before)
        allowed = [*reader.outputs, *([name] if not path.exists() or path.read_bytes() == mutated else [])]
        changed = self._workspace.changed(allowed)
        left = leftovers(Path("."))
        if outcome.kind == ACCEPTED or not outcome.words:
            outcome = Outcome(outcome.kind, outcome.words or words)
        if changed:
            outcome = fault(f"changed or added: {changed[:5]}")
        elif left:
            outcome = fault(f"temporary files: {left[:5]}")
        self._workspace.restore()
        return outcome if outcome.kind != "fault" else fault(f"{words}: {outcome.words}")

    def _read(self, reader: Reader, path: Path, before: bytes) -> Outcome:
        try:
            with at_most(self.seconds):
                if reader.command == "look":
                    return _look()
                outcome = classify(call(reader.command.split()))
        except TimeUp:
            if self.working():
                return Outcome(ACCEPTED, "it asks for much work, which had begun")
            return fault(f"it took more than {self.seconds:g} seconds")
        if outcome.kind != ACCEPTED:
            return outcome
        try:
            wrong = self.check(path, before)
        except Exception as error:
            wrong = f"its output cannot be read: {describe(error)}"
        return fault(wrong) if wrong else outcome


def _look() -> Outcome:
    try:
        with Review(AuditFolder(Path("audit")), "ada") as review:
            json.dumps(review.data, allow_nan=False)
            for row in range(0, len(review.labels), 5):
                review.picture(row, 64)
    except DeepGUMError as error:
        return Outcome("refused", str(error))
    except Exception as error:
        return fault(describe(error))
    return Outcome(ACCEPTED)


def _scores(path: Path, before: bytes) -> str:
    """Every probability of scores lies between 0 and 1, and there is a row per label."""
    with open("o.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["responsibility"]) for row in rows if row["responsibility"]]
    wrong = [value for value in values if not 0 <= value <= 1]
    return f"responsibilities {wrong[:3]} of {len(rows)} rows" if wrong or not rows else ""


def _predictions(path: Path, before: bytes) -> str:
    """Predictions are finite."""
    with open("o.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    wrong = [row for row in rows if not all(_finite(cell) for cell in row[1:])]
    return f"predictions {wrong[:2]} of {len(rows)} rows" if wrong or not rows else ""


def _finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return True  # a name


def _applied(path: Path, before: bytes) -> str:
    """At most the decided rows of the new table differ from those of the old one."""
    decided = len(Path("p.patch.jsonl").read_text(encoding="utf-8").splitlines())
    if Path("n.parquet").exists():
        old, new = pq.read_table("faces.parquet"), pq.read_table("n.parquet")
        if old.schema.names != new.schema.names or len(old) != len(new):
            return f"{new.schema} with {len(new)} rows"
        pairs = list(zip(*(map(repr, table.to_pylist()) for table in (old, new)), strict=True))
    else:
        old_lines, new_lines = Path("faces.csv").read_bytes().split(b"\n"), Path("n.csv").read_bytes().split(b"\n")
        if len(old_lines) != len(new_lines):
            return f"{len(new_lines)} lines instead of {len(old_lines)}"
        pairs = list(zip(old_lines, new_lines, strict=True))
    changed = sum(old != new for old, new in pairs)
    return f"{changed} rows differ, and {decided} were decided" if changed > decided else ""


def _applied_coco(path: Path, before: bytes) -> str:
    """At most the keypoints and their number differ, in at most the decided annotations."""
    old, new = (json.loads(Path(name).read_text(encoding="utf-8-sig")) for name in ("coco.json", "n.json"))
    kept = ("keypoints", "num_keypoints")
    for values in (old, new):
        for annotation in values["annotations"]:
            annotation["labels"] = [annotation.pop(key, None) for key in kept]
    pairs = list(zip(old["annotations"], new["annotations"], strict=True))
    changed = sum(repr(one.pop("labels")) != repr(other.pop("labels")) for one, other in pairs)
    decided = len(Path("c.patch.jsonl").read_text(encoding="utf-8").splitlines())
    if repr(old) != repr(new):
        return "something else than keypoints differs"
    return f"{changed} annotations differ, and {decided} were decided" if changed > decided else ""


class MutatedImage(MutatedInput):
    """Mutations of one image. The predictions of all other images must stay the same."""

    def prepare(self) -> None:
        """Note the predictions of all images."""
        super().prepare()
        assert not call(["predict", "pictures", "images", "--out", "o.csv"]).exit_code
        expected = _rows()
        self._workspace.restore()
        self.check = lambda path, before: _others(expected, path)


def _rows() -> dict[str, list[str]]:
    with open("o.csv", encoding="utf-8", newline="") as file:
        return {row[0]: row[1:] for row in list(csv.reader(file))[1:]}


def _others(expected: dict[str, list[str]], path: Path) -> str:
    found = _rows() if Path("o.csv").exists() else expected
    wrong = [name for name in expected if not name.endswith(path.name) and found.get(name) != expected[name]]
    return f"other predictions for {wrong[:3]}" if wrong or len(found) < ROWS - 1 else ""


def _with(files: Sequence[str], *readers: Reader) -> list[tuple[str, Reader]]:
    return [(file, reader) for file in files for reader in readers]


def _training() -> bool:
    """Return whether the data are read: only training and scoring follow, which a configuration can make long."""
    return Path("out/content.parquet").is_file()


_SCORE = Reader("score t.csv --inliers gaussian --out o.csv", ("o.csv",))
_PREDICT = Reader("predict run t.csv --out o.csv", ("o.csv",))
_EVALUATE, _EXPORT = (
    Reader("evaluate run"),
    Reader("export run --to w.safetensors --to e.csv", ("w.safetensors", "e.csv")),
)
_AGAIN = Reader("fit run.toml --out run", ("run",))
_APPLY = Reader("apply p.patch.jsonl faces.csv --out n.csv", ("n.csv", "n.csv.changes.csv"))
_APPLY_PARQUET = Reader(
    "apply p.patch.jsonl faces.parquet --out n.parquet", ("n.parquet", "n.parquet.changes.csv", "n.changes.csv")
)
_REVIEW = tuple(
    Reader(f"review audit --export {kind}=x.{ending}", (f"x.{ending}", "x.xml"))
    for kind, ending in (("patch", "jsonl"), ("label-studio", "json"), ("coco", "json"), ("fiftyone", "json"))
)
_REPORT, _LOOK = Reader("report audit --out r.html", ("r.html",)), Reader("look")
_PLOT = Reader("plot comparison --out f.png", ("f.png", "f.svg"))
_SCORE_GZ = Reader("score t.csv.gz --inliers gaussian --out o.csv", ("o.csv",))
_SCORE_MARKED = Reader("score marked.csv --missing ? --missing -9999 --inliers gaussian --out o.csv", ("o.csv",))
_SCORE_GERMAN = Reader("score german.csv --decimal , --thousands . --inliers gaussian --out o.csv", ("o.csv",))
_SCORE_JSON = Reader("score t.jsonl --inliers gaussian --out o.csv", ("o.csv",))
_SCORE_FEATHER = Reader("score t.feather --inliers gaussian --out o.csv", ("o.csv",))
_APPLY_GZ = Reader(
    "apply p.patch.jsonl faces.csv.gz --out n.csv.gz", ("n.csv.gz", "n.csv.gz.changes.csv", "n.csv.changes.csv")
)
_APPLY_TYPED = Reader(
    "apply p.patch.jsonl typed.parquet --out n.parquet", ("n.parquet", "n.parquet.changes.csv", "n.changes.csv")
)
_COCO_SCORE = Reader("score coco.json results.json --inliers gaussian --out o.csv", ("o.csv",))
_COCO_APPLY = Reader("apply c.patch.jsonl coco.json --out n.json", ("n.json", "n.json.changes.csv", "n.changes.csv"))
_COCO_AUDIT = Reader(
    "audit coco.json --image-size 16 --epochs 1 --folds 2 --rounds 1 --inliers gaussian --out out", ("out",)
)
_IMAGES = [f"images/{row:03d}.png" for row in (0, 1, 5, 17)]
_PICTURES = "predict pictures images --out o.csv"

ATTACKS: list[MutatedInput] = [
    MutatedInput("CSV: score", 200, [("t.csv", _SCORE)], _scores),
    MutatedInput("CSV: predict", 700, [("t.csv", _PREDICT)], _predictions),
    MutatedInput("compressed CSV: score", 500, [("t.csv.gz", _SCORE_GZ)], _scores),
    MutatedInput("compressed CSV: apply", 500, [("faces.csv.gz", _APPLY_GZ)]),
    MutatedInput("marks and separators: score", 500, [("marked.csv", _SCORE_MARKED), ("german.csv", _SCORE_GERMAN)]),
    MutatedInput("JSON lines: score", 500, [("t.jsonl", _SCORE_JSON)], _scores),
    MutatedInput("Feather: score", 500, [("t.feather", _SCORE_FEATHER)], _scores),
    MutatedInput("types of Parquet: apply", 500, [("typed.parquet", _APPLY_TYPED)]),
    MutatedInput("CSV: apply", 400, [("faces.csv", _APPLY)], _applied),
    MutatedInput(
        "TOML: fit", 150, _with(["run.toml"], Reader("fit run.toml --out out", ("out",))), working=_training, seconds=10
    ),
    MutatedInput(
        "TOML: audit", 40, _with(["audit.toml"], Reader("audit audit.toml --out out", ("out",))),
        working=_training, seconds=10,
    ),
    MutatedInput("patch: apply", 700, [("p.patch.jsonl", _APPLY), ("p.patch.jsonl", _APPLY_PARQUET)], _applied),
    MutatedInput(
        "Parquet: score", 80,
        [("t.parquet", Reader("score t.parquet --inliers gaussian --out o.csv", ("o.csv",)))], _scores,
    ),
    MutatedInput(
        "Parquet: predict", 350, [("t.parquet", Reader("predict run t.parquet --out o.csv", ("o.csv",)))], _predictions
    ),
    MutatedInput("Parquet: apply", 350, [("faces.parquet", _APPLY_PARQUET)], _applied),
    MutatedInput("COCO: score", 300, _with(["coco.json", "coco.json", "results.json"], _COCO_SCORE), _scores),
    MutatedInput("COCO: apply", 300, _with(["coco.json", "coco.json", "c.patch.jsonl"], _COCO_APPLY), _applied_coco),
    MutatedInput("COCO: audit", 40, _with(["coco.json"], _COCO_AUDIT), working=_training, seconds=10),
    MutatedInput(
        "folder of a run", 250,
        [
            *_with(["run/config.toml", "run/network.json", "run/weights.safetensors"], _PREDICT, _EVALUATE, _EXPORT),
            *_with(["run/metrics.json"], _PREDICT, _EVALUATE, _EXPORT, _AGAIN),
            *_with(["run/posteriors.parquet"], _EXPORT),
            *_with(["run/environment.json", "run/content.parquet", "run/history.jsonl"], _AGAIN),
        ],
    ),
    MutatedInput(
        "folder of an audit", 300,
        [
            *_with(["audit/summary.json", "audit/scores.parquet", "audit/pictures.parquet"], *_REVIEW, _LOOK, _REPORT),
            *_with(["audit/audit.toml", "audit/decisions.jsonl"], *_REVIEW, _LOOK),
        ],
    ),
    MutatedInput(
        "folder of a comparison", 50,
        [
            *_with(["comparison/results.jsonl", "comparison/config.json"], _PLOT),
            *_with(
                ["comparison/results.jsonl", "comparison/config.json", "comparison/content/seed0.parquet"],
                Reader(" ".join([*COMPARE, "--out", "comparison"]), ("comparison",)),
            ),
        ],
    ),
    MutatedImage(
        "images", 350,
        [
            *_with(_IMAGES, Reader(_PICTURES, ("o.csv",)), Reader(f"{_PICTURES} --skip-unreadable", ("o.csv",))),
            *_with(_IMAGES, Reader(f"{_PICTURES} --skip-unreadable", ("o.csv",)), _LOOK),
        ],
    ),
]  # fmt: skip
