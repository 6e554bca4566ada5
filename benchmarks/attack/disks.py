"""Full disks: each command that writes runs on a disk that fills up.

The command must be refused with a message, or find room for everything. An old file at the output stays, and no part of
a new one appears. Then the disk has room, and the same command must give the right result.
"""

from __future__ import annotations

import ctypes
import json
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from attack.materials import COMPARE
from attack.outcome import ACCEPTED, REFUSED, Outcome, call, classify, fault
from attack.results import differences, results
from attack.workspace import Workspace, leftovers
from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.folder import AuditFolder
from deepgum.errors import DiskFullError
from deepgum.review.store import DecisionStore

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of Linux
_DISK = Path("disk")
OLD = b"the old file\n"


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond a number of bytes in the block. A larger file gives the error "file too large"."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


class SmallDisk:
    """A file system in memory at `disk`. Nobody else sees it, and it goes with the process."""

    def __init__(self) -> None:
        _DISK.mkdir()
        private = ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0 and _succeeds("mount", "--make-rprivate", "/")
        self.works = private and _succeeds("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(_DISK))

    def resize(self, pages: int) -> None:
        """Set the size of the disk in pages of 4096 bytes."""
        assert _succeeds("mount", "-o", f"remount,size={4 * pages}k", str(_DISK))

    def clear(self) -> None:
        """Remove all files of the disk."""
        for path in _DISK.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Parameters
    ----------
    command : str
        The command; OUT stands for its output.
    out : str
        Name of the output.
    replaces : bool
        Whether the command replaces an old file.
    again : bool
        Whether to run the command a second time, with room.
    """

    command: str
    out: str
    replaces: bool = False
    again: bool = True

    def arguments(self, out: Path) -> list[str]:
        return [word.replace("OUT", str(out)) for word in self.command.split()]


WRITERS = {
    "fit": Writer("fit run.toml --out OUT", "out"),
    "audit": Writer("audit audit.toml --out OUT", "out"),
    "compare": Writer(" ".join([*COMPARE, "--out", "OUT"]), "out"),
    "score": Writer("score t.csv --inliers gaussian --out OUT", "o.csv", replaces=True),
    "predict": Writer("predict run t.csv --out OUT", "o.parquet", replaces=True),
    "export": Writer("export run --to OUT --overwrite", "w.safetensors", replaces=True),
    "report": Writer("report audit --out OUT", "r.html", replaces=True),
    "review --export": Writer("review audit --export patch=OUT", "x.jsonl", replaces=True),
    "apply": Writer("apply p.patch.jsonl faces.csv --out OUT", "n.csv"),
    "gain": Writer("gain audit p.patch.jsonl --seeds 1 --out OUT", "g.json", replaces=True),
    "plot": Writer("plot comparison --out OUT", "f.png", replaces=True),
    "reproduce": Writer("reproduce figure2 --out OUT", "out"),
    "demo": Writer("demo --out OUT", "out", again=False),
}


class FullDisk:
    """Runs of one command on disks of random sizes; see `Attack`.

    Each third disk is a file system in memory, if this process may mount one. Otherwise, and for the other disks, the
    limit is a size that no file may pass.
    """

    limit = 120.0

    def __init__(self, name: str, writer: Writer, attempts: int) -> None:
        self.name, self.attempts, self._writer = f"full disk: {name}", attempts, writer

    def prepare(self) -> None:
        """Run the command with room, and note its results and its size."""
        self._disk = SmallDisk()
        self._workspace = Workspace(Path("."))
        writer = self._writer
        self._expected, self._size = {}, 600
        if writer.again:
            out = _DISK / writer.out if self._disk.works else Path(writer.out)
            if self._disk.works:
                self._disk.resize(10000)
            result = call(writer.arguments(out))
            assert not result.exit_code, result.output
            self._expected = results(out)
            files = [file for file in out.rglob("*") if file.is_file()] if out.is_dir() else [out]
            self._size = max(file.stat().st_size for file in files)
            self._total = sum(file.stat().st_size for file in files)
            self._whole = out.read_bytes() if out.is_file() else b""
            self._clear()

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Run the command on a disk that fills up, and then with room."""
        writer, on_disk = self._writer, self._disk.works and number % 3 == 0 and self._writer.again
        out = (_DISK if on_disk else Path(".")) / writer.out
        if writer.replaces:
            out.write_bytes(OLD)
        if on_disk:
            pages = chance.randrange(2, self._total // 4096 + 6)
            words = f"a disk of {4 * pages} KiB"
            self._disk.resize(pages)
            outcome = classify(call(writer.arguments(out)))
        else:
            size = chance.choice([0, 1, chance.randrange(self._size), chance.randrange(self._size)])
            words = f"files of at most {size} bytes"
            with small_files(size):
                result = call(writer.arguments(out))
            outcome = classify(result)
        wrong = outcome.words if outcome.kind not in (REFUSED, ACCEPTED) else ""
        wrong = wrong or (self._wrong_after_refusal(out, on_disk) if outcome.kind == REFUSED else "")
        if not wrong and writer.again:
            if on_disk:
                self._disk.resize(10000)
            if outcome.kind == ACCEPTED and not writer.replaces and out.is_file():
                out.unlink()
            again = classify(call(writer.arguments(out)))
            different = differences(results(out), self._expected) if again.kind == ACCEPTED else [again.words]
            wrong = f"with room: {different}" if different else self._left(on_disk, out)
        self._clear()
        return fault(f"{words}: {wrong}") if wrong else outcome

    def _wrong_after_refusal(self, out: Path, on_disk: bool) -> str:
        # A command with several outputs may have written the first one.
        if self._writer.replaces and (not out.is_file() or out.read_bytes() not in (OLD, self._whole)):
            return "the old file has changed"
        if out.is_file() and not self._writer.replaces:
            return "a part of the output is left"
        return self._left(on_disk, out)

    def _left(self, on_disk: bool, out: Path) -> str:
        changed = self._workspace.changed(["disk"] if on_disk else [str(out), f"{out}.changes.csv", "f.svg"])
        left = leftovers(Path("."))
        return f"changed or added: {changed}; temporary files: {left}" if changed or left else ""

    def _clear(self) -> None:
        if self._disk.works:
            self._disk.clear()
        for path in (Path(self._writer.out), Path(f"{self._writer.out}.changes.csv")):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for name in self._workspace.changed(["disk"]):
            Path(name).unlink()


class FullDiskOfDecisions:
    """Decisions on a disk that fills up; see `Attack`. Decisions that were stored before stay."""

    name, attempts, limit = "full disk: review", 20, 60.0

    def prepare(self) -> None:
        """Read the labels."""
        self._workspace = Workspace(Path("."))
        self._folder = AuditFolder(Path("audit"))

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Store decisions until the file may not grow, and then one more with room."""
        before = self._folder.decisions_file.read_bytes().count(b"\n")
        stored: list[str] = []
        outcome = Outcome(ACCEPTED)
        with DecisionStore.of(self._folder) as store:
            with small_files(self._folder.decisions_file.stat().st_size + chance.randrange(2000)):
                for row in range(40):
                    try:
                        store.decide(Decision(f"images/{row:03d}.png", "a", "keep"))
                        stored.append(f"images/{row:03d}.png")
                    except DiskFullError as error:
                        outcome = Outcome(REFUSED, str(error))
                        break
            store.decide(Decision("images/039.png", "b", "drop"))
        *lines, last = self._folder.decisions_file.read_bytes().split(b"\n")
        rows = [json.loads(line)["sample"] for line in lines[before:]]
        if last or rows != [*stored, "images/039.png"]:
            outcome = fault(f"{len(stored)} decisions were stored, and the file holds {rows}, {last!r}")
        self._workspace.restore()
        return outcome


def _attempts(name: str) -> int:
    return {"fit": 6, "audit": 6, "compare": 6, "gain": 6, "plot": 6, "report": 9, "reproduce": 6, "demo": 3}.get(
        name, 15
    )


ATTACKS = [*(FullDisk(name, writer, _attempts(name)) for name, writer in WRITERS.items()), FullDiskOfDecisions()]
