"""The state of a training in one file, which is written whole or not at all, and read without running code."""

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

from deepgum.errors import CheckpointError, InvalidDataError, differences
from deepgum.storage.disk import remove_partial, write_atomically
from deepgum.training.state.packing import digest, pack, tensor_parts, unpack

__all__ = ["Checkpoint", "check_place"]

_FORMAT = "deepgum.checkpoint"
_VERSION = "3"
_WRITERS = {"2": "0.1.0"}
"""Versions of deepgum that wrote earlier versions of the format."""


class Checkpoint:
    """A file that holds the state of a training.

    The file is in safetensors; the metadata of its header hold, as JSON, everything that is not a tensor. It is written
    under another name, and replaces the previous one when all of it is on the disk: a process that is killed while it
    writes leaves the previous one. It also holds a SHA-256 of its content: a bit that a disk or a copy has changed
    would otherwise go unnoticed, and change the result.

    Parameters
    ----------
    path : Path
        Path of the file. Its folder is made if it is not there.
    identity : mapping
        The identity of the training: options, seeds, hashes of data and initial weights; nested plain values. A file of
        another identity is refused.

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
    there and 1 here. Use the settings that it was begun with to go on, delete it to begin anew, or give another path.
    >>> checkpoint.remove()
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        # A value that JSON cannot hold (a range, a number of NumPy's) is kept as its `repr`, which is only compared.
        self.identity = json.loads(json.dumps(identity, default=repr))

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None if there is no file.

        It also checks that a file can be written there, before any work is done.

        Raises
        ------
        CheckpointError
            If the file is of another training (the message lists the differences), of an earlier version, damaged, or
            not a checkpoint; or if no file could be written there.
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
            if version not in (_VERSION, *_WRITERS):
                raise self._unusable(f"Its format is {version!r}, and this version of deepgum reads {_VERSION!r}.")
            if metadata["sha256"] != _content_digest(metadata, tensors):
                raise InvalidDataError("its content is not what was written, by its SHA-256")
            if version != _VERSION:
                raise CheckpointError(
                    f"'{self.path}' should be a checkpoint of this version of deepgum. Version {_WRITERS[version]} "
                    "wrote it. Finish the training with that version, delete the file to begin the training anew, or "
                    "give another path."
                )
            found = json.loads(metadata["identity"])
            if found != self.identity:
                raise CheckpointError(
                    f"'{self.path}' should be of this training. It is of another: {differences(found, self.identity)}. "
                    "Use the settings that it was begun with to go on, delete it to begin anew, or give another path."
                )
            state: dict[str, Any] = unpack(json.loads(metadata["state"]), tensors)
        except (KeyError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise self._unusable(f"It is damaged, or something else: {error}.") from error
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the previous state by this one.

        Raises
        ------
        DiskFullError
            If the disk cannot hold it; the previous checkpoint is still there.
        InvalidDataError
            If the state holds a value that is neither a tensor nor a plain value; likewise.
        """
        skeleton, tensors = pack(state)
        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "identity": json.dumps(self.identity),
            "state": json.dumps(skeleton, allow_nan=False),
        }
        metadata["sha256"] = _content_digest(metadata, tensors)
        content = safetensors.torch.save(tensors, metadata)
        with write_atomically(self.path, len(content), "a checkpoint") as temporary:
            temporary.write_bytes(content)

    def remove(self) -> None:
        """Remove the file, and the temporary files that a killed process has left."""
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
    """Make the folder of a checkpoint if it is not there.

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
        found = "a folder" if path.is_dir() else "that its folder cannot be written to"
        raise CheckpointError(f"'{path}' should be a file for checkpoints. Found {found}.")


def _content_digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the content of a file, without a copy of its tensors."""
    texts = (f"{name} {len(text)}\n{text}".encode() for name, text in sorted(metadata.items()) if name != "sha256")
    return digest(itertools.chain(texts, tensor_parts(sorted(tensors.items()))))
