"""The time that an audit has taken, in all processes that worked on it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from deepgum.storage.disk import write_atomically

__all__ = ["Clock"]


class Clock:
    """A clock that goes on where an interrupted process stopped.

    Parameters
    ----------
    file : Path
        The file with the seconds that earlier processes took, up to their last `keep`. It need not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Clock(Path(folder) / "seconds").keep()
    ...     _ = (Path(folder) / "seconds").write_text("100.0")
    ...     Clock(Path(folder) / "seconds").seconds > 100
    True
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began = time.perf_counter()
        self._earlier = 0.0
        with suppress(OSError, ValueError):
            self._earlier = max(0.0, min(float(file.read_text(encoding="ascii")), 1e9))

    @property
    def began(self) -> float:
        """The time of `time.perf_counter` at which the audit would have begun without an interruption."""
        return self._began - self._earlier

    @property
    def seconds(self) -> float:
        """The seconds of all processes."""
        return time.perf_counter() - self.began

    def keep(self) -> None:
        """Write the seconds to the file, whose folder must exist."""
        with write_atomically(self._file) as temporary:
            temporary.write_text(f"{self.seconds:.3f}", encoding="ascii")
