"""Where a review is served: a port of this machine and a secret, the same again after a restart."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from deepgum.errors import InvalidParameterError
from deepgum.storage.disk import write_atomically

__all__ = ["Address", "listen"]

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """Where a review is served.

    It is kept beside the decisions, for its owner's eyes only, so that a page that is open when the server is killed
    goes on with the one that is started next.

    Parameters
    ----------
    port : int
    token : str
        Without it nothing is answered.

    Examples
    --------
    >>> Address(8000, "secret").url
    'http://127.0.0.1:8000/secret/'
    """

    port: int
    token: str

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """By what names this machine may be addressed; browsers leave out the port that is everybody's."""
        port = "" if self.port == 80 else f":{self.port}"
        return f"{HOST}{port}", f"localhost{port}"

    def write(self, path: Path) -> None:
        """Write a file that only its owner can read."""
        text = json.dumps({**asdict(self), "folder": str(path.parent.resolve())})
        with (
            write_atomically(path) as temporary,
            open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file,
        ):
            file.write(text)

    @classmethod
    def read(cls, path: Path) -> Address | None:
        """Return what `write` wrote; None where there is none, others could read it, or it came from elsewhere."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            about = path.stat()
            if os.name == "posix" and (about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077):
                return None
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("folder") == str(path.parent.resolve()) and len(values["token"]) >= 32:
                return cls(int(values["port"]), str(values["token"]))
        return None


def listen(path: Path, port: int | None = None) -> tuple[Address, socket.socket]:
    """Listen on a port of this machine, and return its address and socket.

    Parameters
    ----------
    path : Path
        File of the address; written anew where it is not the one there.
    port : int, optional
        0 for any that is free; by default the one of last time, and where it is taken any that is free.

    Raises
    ------
    InvalidParameterError
        If that port cannot be had.
    """
    last = Address.read(path)
    if port is None and last is not None:
        with suppress(OSError):
            return last, socket.create_server((HOST, last.port))
    try:
        listening = socket.create_server((HOST, port or 0))
    except (OSError, OverflowError) as error:
        raise InvalidParameterError(
            "port", f"one of this machine that is free ({error})", port, "Leave it out, and a free one is found."
        ) from error
    number = listening.getsockname()[1]
    # Whoever had the old port meanwhile may have been sent the old token: it is good for that port only.
    address = last if last is not None and last.port == number else Address(number, secrets.token_urlsafe(32))
    address.write(path)
    return address, listening
