"""The state of a training in one file, which is written atomically and read without running code."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import safe_open
from torch import Tensor

from deepgum.errors import CheckpointError, InvalidDataError, differences
from deepgum.storage.decoding import reason_of
from deepgum.storage.disk import remove_partial, write_atomically
from deepgum.training.state.packing import digest, pack, tensor_parts, unpack

__all__ = ["Checkpoint", "check_place"]

_FORMAT = "deepgum.checkpoint"
_VERSION = "3"
_WRITERS = {"2": "0.1.0"}
"""Versions of deepgum that wrote earlier versions of the format."""


class Checkpoint:
    """A file that holds the state of a training.

    The file has the format safetensors. The metadata in its header store everything that is not a tensor as JSON. The
    class writes a temporary file and then renames it, so a process that is killed during a save leaves the previous
    file intact. The file also stores a SHA-256 of its metadata and tensors, because a changed bit would change the
    result unnoticed.

    Parameters
    ----------
    path : Path
        Path of the file. Its folder is created if necessary.
    identity : mapping
        The identity of the training: options, seeds, hashes of data and initial weights; nested plain values. A file
        with another identity is refused.

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
    deepgum.errors.CheckpointError: '...checkpoint.safetensors' should belong to this training. It belongs to another
    training: seed = 0 there and 1 here. To resume that training, use its settings. Otherwise delete the file to begin
    the training anew, or give another path.
    >>> checkpoint.remove()
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        # A value that JSON cannot store (a range, a NumPy number) becomes its `repr`, which is only compared.
        self.identity = json.loads(json.dumps(identity, default=repr))

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if there is no file.

        The method also checks that the path can be written, so that the first `save` does not fail after an epoch.

        Raises
        ------
        CheckpointError
            If the file belongs to another training (the message lists the differences), was written by an earlier
            version of the package, is damaged, or is not a checkpoint; or if the path cannot be written.
        """
        check_place(self.path)
        remove_partial(self.path)  # `lock_checkpoint` makes sure that no other training writes these files
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
                raise InvalidDataError("its content does not match its SHA-256")
            if version != _VERSION:
                raise CheckpointError(
                    f"'{self.path}' should be a checkpoint of this version of deepgum. Version {_WRITERS[version]} "
                    "wrote this file. Finish the training with that version, delete the file to begin the training "
                    "anew, or give another path."
                )
            found = json.loads(metadata["identity"])
            if found != self.identity:
                raise CheckpointError(
                    f"'{self.path}' should belong to this training. It belongs to another training: "
                    f"{differences(found, self.identity)}. To resume that training, use its settings. Otherwise delete "
                    "the file to begin the training anew, or give another path."
                )
            state: dict[str, Any] = unpack(json.loads(metadata["state"]), tensors)
        except CheckpointError:
            raise
        except Exception as error:  # the metadata may be anything
            raise self._unusable(f"It is damaged or not a checkpoint: {reason_of(error)}.") from error
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state. After an error the previous checkpoint is still there.

        Raises
        ------
        DiskFullError
            If the disk has not enough space.
        InvalidDataError
            If the state has a value that is neither a tensor nor a plain value.
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
        """Remove the file, and temporary files of processes that were killed."""
        self.path.unlink(missing_ok=True)
        remove_partial(self.path)

    def _read(self) -> tuple[dict[str, str], dict[str, Tensor]]:
        try:
            with safe_open(self.path, framework="pt") as file:
                return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:  # types of tensors that torch lacks, headers of any content
            raise self._unusable(f"It is damaged or not a checkpoint: {reason_of(error)}.") from error

    def _unusable(self, reason: str) -> CheckpointError:
        hint = "Delete the file to begin the training anew, or give another path."
        return CheckpointError(f"'{self.path}' should be a checkpoint of this library. {reason} {hint}")


def check_place(path: Path) -> None:
    """Create the folder of a checkpoint if necessary, and check that the checkpoint can be written.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be written.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"'{folder}' should be a folder for a checkpoint. {error}.") from error
    if path.is_dir() or not os.access(folder, os.W_OK):
        found = "a folder" if path.is_dir() else "a folder without write permission"
        raise CheckpointError(f"'{path}' should be the path of a file that can be written. Found {found}.")


def _content_digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the metadata and tensors of a file, without copying the tensors."""
    texts = (f"{name} {len(text)}\n{text}".encode() for name, text in sorted(metadata.items()) if name != "sha256")
    return digest(itertools.chain(texts, tensor_parts(sorted(tensors.items()))))
