"""The output folder of an experiment: of one configuration, and never written over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deepgum.errors import InvalidDataError, OutputFolderError, differences, listing
from deepgum.experiments.paper.records import ResultsFile
from deepgum.storage.disk import write_atomically
from deepgum.storage.lock import LOCK

__all__ = ["OutputFolder"]

_HINT = "Give another output folder. Nothing was written."


class OutputFolder:
    """Where an experiment writes `config.json`, `results.jsonl` and `posteriors/`, and keeps checkpoints meanwhile.

    Parameters
    ----------
    path : Path
        Need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.results = ResultsFile(path / "results.jsonl")
        self.posteriors = path / "posteriors"
        self.checkpoints = path / "checkpoints"

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse a folder that holds anything but results of this configuration.

        Raises
        ------
        OutputFolderError
            With the settings that differ, or with what is in the way.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputFolderError(f"'{self.path}' should be a folder. Found a file. {_HINT}")
        if not self.config.exists():
            self._check_empty("new, empty, or of this experiment")
            return
        before = self._read()
        wanted = json.loads(json.dumps(config))
        if before != wanted:
            found = f"It holds results of another: {differences(before, wanted)}."
            raise OutputFolderError(f"'{self.path}' should be of this configuration. {found} {_HINT}")

    def claim(self, config: Mapping[str, Any]) -> None:
        """Check the folder, and write the configuration if it is new."""
        self.check(config)
        if not self.config.exists():
            with write_atomically(self.config) as temporary:
                temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def checkpoint(self, stem: str) -> Path:
        """Return where a run keeps how far it has come: in a file of its own, for runs may come in any order."""
        return self.checkpoints / f"{stem}.safetensors"

    def drop_checkpoint(self, stem: str) -> None:
        """Remove what a run needs no more, now that its record is written."""
        self.checkpoint(stem).unlink(missing_ok=True)
        with suppress(OSError):  # another run's is there, or there has never been one
            self.checkpoints.rmdir()

    def claim_new(self, config: Mapping[str, Any]) -> None:
        """Write the configuration of an experiment that is not gone on with into a folder that must be empty."""
        self._check_empty("new or empty")
        self.claim(config)

    def _check_empty(self, expected: str) -> None:
        present = sorted(entry.name for entry in self.path.iterdir()) if self.path.is_dir() else []
        present = [name for name in present if name != LOCK]
        if present:
            raise OutputFolderError(f"'{self.path}' should be {expected}. It holds {listing(present)}. {_HINT}")

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidDataError(f"'{self.config}' cannot be read: {error}. {_HINT}") from error
        if not isinstance(content, dict):
            raise InvalidDataError(f"'{self.config}' should hold a JSON object. {_HINT}")
        return content
