"""The stored fits of an unfinished audit. The predictions of each network are in a file, so that the audit can be
resumed.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.out_of_fold.cross_fit import Learner
from deepgum.audit.out_of_fold.teaching import Teaching
from deepgum.errors import DeepGUMWarning
from deepgum.experiments.audits.clock import Clock
from deepgum.experiments.observer import Observer
from deepgum.storage.disk import write_atomically

__all__ = ["KeptLearner"]


@dataclass(frozen=True)
class KeptLearner:
    """A learner that writes the predictions of each fit to a file. If the file of a fit exists, it is read, and no
    network is trained. A damaged file is not used.

    Parameters
    ----------
    learner : Learner
    folder : Path
        Folder of the files. The folder is made with the first file.
    key : str
        Digest of the settings and of the samples. The settings include the bytes of a file of weights.
    observer : Observer
        The method `fit_started` of the observer is called for every fit.
    clock : Clock
        The clock of the audit. It is kept after every fit.
    """

    learner: Learner
    folder: Path
    key: str
    observer: Observer
    clock: Clock

    @property
    def is_robust(self) -> bool:
        """See `Learner`."""
        return self.learner.is_robust

    def predict(self, train: NDArray[np.int64], teaching: Teaching | None, seed: int) -> NDArray[np.float64]:
        """Return the predictions of a fit; see `Learner`. The name of the file is computed from all arguments."""
        self.observer.fit_started(seed)
        known = b"" if teaching is None else teaching.responsibilities.tobytes() + teaching.weights.tobytes()
        key = hashlib.sha256(self.key.encode() + train.tobytes() + known).hexdigest()[:16]
        file = self.folder / f"{seed}-{key}.fit"
        kept = _read(file) if file.is_file() else None
        if kept is not None:
            return kept
        predictions = self.learner.predict(train, teaching, seed)
        _write(file, predictions)
        self.clock.keep()
        return predictions


def _write(file: Path, predictions: NDArray[np.float64]) -> None:
    """Write the SHA-256 of the array, and the array in the format of NumPy."""
    # The file is encoded in memory, because on a full disk NumPy raises errors without the system's reason.
    content = io.BytesIO()
    np.save(content, predictions, allow_pickle=False)
    array = content.getvalue()
    with write_atomically(file) as temporary:
        temporary.write_bytes(hashlib.sha256(array).digest() + array)


def _read(file: Path) -> NDArray[np.float64] | None:
    """Return the stored predictions, or None if the file is damaged."""
    content = file.read_bytes()
    array = content[hashlib.sha256().digest_size :]
    if hashlib.sha256(array).digest() + array == content:
        kept: NDArray[np.float64] = np.load(io.BytesIO(array), allow_pickle=False)
        return kept
    warnings.warn(
        f"'{file}' is damaged. Its network is trained again.",
        DeepGUMWarning,
        stacklevel=2,
    )
    return None
