"""The output folder of a comparison. The folder belongs to one configuration, and another comparison never overwrites
it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deepgum.experiments.output import another, check_empty, held
from deepgum.experiments.paper.records import ResultsFile
from deepgum.storage.decoding import read_json
from deepgum.storage.disk import remove_partial, write_atomically

__all__ = ["OutputFolder"]


class OutputFolder:
    """The folder with `config.json`, `results.jsonl`, `posteriors/` and `content/`. During runs also with
    `checkpoints/`.

    Parameters
    ----------
    path : Path
        The folder, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.results = ResultsFile(path / "results.jsonl")
        self.posteriors = path / "posteriors"
        self.checkpoints = path / "checkpoints"

    def check(self, config: Mapping[str, Any]) -> None:
        """Raise an error unless the folder is new, is empty, or belongs to this configuration.

        Raises
        ------
        OutputFolderError
            If the folder belongs to another configuration or holds other files. The message lists the settings that
            differ, or the names of the files.
        """
        before = held(self.path, "comparison", self.config, _read)
        wanted = json.loads(json.dumps(config))
        if before not in (None, wanted):
            raise another(self.path, "comparison", before, wanted)

    def claim(self, config: Mapping[str, Any]) -> None:
        """Check the folder, remove temporary files of killed processes, and write the configuration if the folder is
        new.
        """
        self.check(config)
        remove_partial(self.path)
        if not self.config.exists():
            with write_atomically(self.config) as temporary:
                temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def content(self, seed: int) -> Path:
        """Return the path of the content of the samples that a seed selects; see `deepgum.data.content`."""
        return self.path / "content" / f"seed{seed}.parquet"

    def checkpoint(self, stem: str) -> Path:
        """Return the path of the checkpoint of a run. Each run has a separate checkpoint, so the order of the runs may
        change.
        """
        return self.checkpoints / f"{stem}.safetensors"

    def drop_checkpoint(self, stem: str) -> None:
        """Remove the checkpoint of a run. The record of the run must already be written."""
        self.checkpoint(stem).unlink(missing_ok=True)
        with suppress(OSError):  # it holds another checkpoint, or does not exist
            self.checkpoints.rmdir()

    def claim_new(self, config: Mapping[str, Any]) -> None:
        """Write the configuration of an experiment that is never resumed. The folder must be new or empty.

        Raises
        ------
        OutputFolderError
            If the folder is not empty. The message lists the names of the files in the folder.
        """
        check_empty(self.path)
        self.claim(config)


def _read(path: Path) -> dict[str, Any]:
    return read_json(path, "the settings of a comparison")
