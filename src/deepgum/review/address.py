"""The address of a review: a port of this machine, and a secret token. Both stay the same after a restart."""

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
    """The address of a review.

    The address is stored in the folder of the decisions, in a file that only its owner can read. The next server uses
    the same address. Thus a page that is open when the server stops can continue with the next server.

    Parameters
    ----------
    port : int
    token : str
        Secret part of the address. Requests without it are refused.

    Examples
    --------
    >>> Address(8000, "secret").url
    'http://127.0.0.1:8000/secret/'
    """

    port: int
    token: str

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """The allowed values of the `Host` header. If the port is the default port of HTTP, it may be missing, because
        browsers leave it out.
        """
        port = "" if self.port == 80 else f":{self.port}"
        return f"{HOST}{port}", f"localhost{port}"

    def write(self, path: Path) -> None:
        """Write the address to a file that only the owner of the file can read."""
        text = json.dumps({**asdict(self), "folder": str(path.parent.resolve())})
        with (
            write_atomically(path) as temporary,
            open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file,
        ):
            file.write(text)

    @classmethod
    def read(cls, path: Path) -> Address | None:
        """Return the stored address.

        Return None if no address is stored, if other users can read the file, or if the folder was moved.
        """
        with suppress(OSError, ValueError, KeyError, TypeError):
            about = path.stat()
            if os.name == "posix" and (about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077):
                return None
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("folder") == str(path.parent.resolve()) and len(values["token"]) >= 32:
                return cls(int(values["port"]), str(values["token"]))
        return None


def listen(path: Path, port: int | None = None) -> tuple[Address, socket.socket]:
    """Listen on a port of this machine, and return the address and the socket.

    Parameters
    ----------
    path : Path
        The file that stores the address. If the address changes, the file is written again.
    port : int, optional
        The port; 0 for any free port. By default the port in the stored address, or any free port if the stored port is
        in use.

    Raises
    ------
    InvalidParameterError
        If the port cannot be used.
    """
    last = Address.read(path)
    if port is None and last is not None:
        with suppress(OSError):
            return last, socket.create_server((HOST, last.port))
    try:
        listening = socket.create_server((HOST, port or 0))
    except (OSError, OverflowError) as error:
        raise InvalidParameterError(
            "port", f"a free port of this machine ({error})", port, "Leave out the port to use any free port."
        ) from error
    number = listening.getsockname()[1]
    # A program that took the old port may have received the old token, so a new port needs a new token.
    address = last if last is not None and last.port == number else Address(number, secrets.token_urlsafe(32))
    address.write(path)
    return address, listening
