"""Where a training stands, in one file that is there whole or not at all, and that is read without running anything."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from deepgum._version import __version__
from deepgum.errors import CheckpointError, InvalidDataError, differences
from deepgum.storage.disk import remove_partial, write_atomically
from deepgum.storage.upgrade import FIRST
from deepgum.training.state.packing import digest, pack, tensor_parts, unpack

__all__ = ["Checkpoint", "check_place"]

_FORMAT = "deepgum.checkpoint"
_VERSION = "2"


class Checkpoint:
    """A file that holds where a training stands.

    The file is in safetensors; the metadata of its header hold, as JSON, what is no tensor. It is written beside, under
    a name of its own, and takes the place of the one before when all of it is on the disk: a process that is killed
    while it writes leaves the one before. A SHA-256 of all that it holds is in it too: a bit that a disk or a copy has
    turned would go unnoticed otherwise, and give another result.

    Parameters
    ----------
    path : Path
        Of the file. Its folder is made where it is not there.
    identity : mapping
        What the training is: options, seeds, hashes of data and initial weights; nested plain values. A file of another
        identity is refused.

    Examples
    --------
    >>> import tempfile, torch
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "checkpoint.safetensors"
    >>> checkpoint = Checkpoint(path, {"seed": 0})
    >>> checkpoint.load() is None
    True
    >>> checkpoint.save({"epoch": 3, "weights": {"bias": torch.ones(1)}})
    >>> checkpoint.load()
    {'epoch': 3, 'weights': {'bias': tensor([1.])}}
    >>> Checkpoint(path, {"seed": 1}).load()
    Traceback (most recent call last):
        ...
    deepgum.errors.CheckpointError: '...checkpoint.safetensors' should be of this training. It is of another: seed = 0
    there and 1 here. Train with what it was begun with to go on, delete it to begin anew, or give another path.
    >>> checkpoint.remove()
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        # `repr` of what JSON has no form for (a range, a number of NumPy's): it is compared, and never used.
        self.identity = json.loads(json.dumps(identity, default=repr))

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None where there is no file.

        It is checked, too, that a file can be written there, before any work is done.

        Raises
        ------
        CheckpointError
            If the file is of another training (the message lists what differs), damaged, or no checkpoint; or if none
            could be written there.
        """
        check_place(self.path)
        remove_partial(self.path)  # of this training alone: `alone_at` has locked the file
        if not self.path.exists():
            return None
        metadata, tensors = self._read()
        try:
            if metadata["format"] != _FORMAT:
                raise InvalidDataError(f"its format is {metadata['format']!r}")
            version = metadata["version"]
            if version != _VERSION:
                raise self._unusable(f"It is of version {version!r}, and this library reads {_VERSION!r}.")
            if metadata["sha256"] != _content_digest(metadata, tensors):
                raise InvalidDataError("what it holds is not what was written, by the SHA-256 of it")
            found = json.loads(metadata["identity"])
            if found != self.identity:
                written_by = metadata.get("written_by", FIRST)
                version = f", by version {written_by} (this is {__version__})" if written_by != __version__ else ""
                raise CheckpointError(
                    f"'{self.path}' should be of this training. It is of another{version}: "
                    f"{differences(found, self.identity)}. "
                    "Train with what it was begun with to go on, delete it to begin anew, or give another path."
                )
            state: dict[str, Any] = unpack(json.loads(metadata["state"]), tensors)
        except (KeyError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise self._unusable(f"It is damaged, or something else: {error}.") from error
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state in the place of the one before.

        Raises
        ------
        DiskFullError
            If the disk cannot hold it; the checkpoint before is still there.
        InvalidDataError
            If the state holds what is neither a tensor nor a plain value; likewise.
        """
        skeleton, tensors = pack(state)
        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "written_by": __version__,
            "identity": json.dumps(self.identity),
            "state": json.dumps(skeleton, allow_nan=False),
        }
        metadata["sha256"] = _content_digest(metadata, tensors)
        content = safetensors.torch.save(tensors, metadata)
        with write_atomically(self.path, len(content), "a checkpoint") as temporary:
            temporary.write_bytes(content)

    def remove(self) -> None:
        """Remove the file, and what a process that was killed while it wrote one has left."""
        self.path.unlink(missing_ok=True)
        remove_partial(self.path)

    def _read(self) -> tuple[dict[str, str], dict[str, Tensor]]:
        try:
            with safe_open(self.path, framework="pt") as file:
                return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise self._unusable(f"It is damaged, or something else: {error}.") from error

    def _unusable(self, reason: str) -> CheckpointError:
        hint = "Delete it to begin the training anew, or give another path."
        return CheckpointError(f"'{self.path}' should be a checkpoint of this library. {reason} {hint}")


def check_place(path: Path) -> None:
    """Make the folder of a checkpoint where it is not there.

    Raises
    ------
    CheckpointError
        If no file can be written there.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"'{folder}' should be a folder for a checkpoint. {error}.") from error
    if path.is_dir() or not os.access(folder, os.W_OK):
        found = "a folder" if path.is_dir() else "a folder around it that cannot be written to"
        raise CheckpointError(f"'{path}' should be a file to keep checkpoints in. Found {found}.")


def _content_digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all that a file says; of the packed tensors as they lie, so that nothing is copied."""
    texts = (f"{name} {len(text)}\n{text}".encode() for name, text in sorted(metadata.items()) if name != "sha256")
    return digest(itertools.chain(texts, tensor_parts(sorted(tensors.items()))))
