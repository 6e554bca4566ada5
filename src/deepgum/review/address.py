"""The address of a review: a port of this machine, and a secret token that is new at each start."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from deepgum.errors import InvalidParameterError
from deepgum.storage.disk import write_atomically

__all__ = ["Address", "listen"]

HOST = "127.0.0.1"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")


@dataclass(frozen=True)
class Address:
    """The address of a review.

    The address is stored in the folder of the decisions, in a file that only its owner can read. So a second server can
    name the address of the first, and the next server uses the same port: a browser keeps unsent decisions by port. The
    next server has another token, because another program may have received the last token while no server listened.

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
    def host(self) -> str:
        """The allowed value of the `Host` header. It has no port if the port is the default port of HTTP, because
        browsers leave that one out. The name `localhost` is not allowed: it also leads to ::1, where another program
        can listen on the same port.
        """
        return HOST if self.port == 80 else f"{HOST}:{self.port}"

    def proof(self, challenge: str) -> str:
        """Return the proof that the server knows the token. It does not reveal the token.

        The proof is the HMAC-SHA256 of "deepgum-review " and the challenge, with the token as the key, in hexadecimal
        digits.
        """
        return hmac.digest(self.token.encode(), f"deepgum-review {challenge}".encode(), "sha256").hex()

    def write(self, path: Path) -> None:
        """Write the address to a file that only the owner of the file can read."""
        text = json.dumps(asdict(self))
        with (
            write_atomically(path) as temporary,
            open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file,
        ):
            file.write(text)

    @classmethod
    def read(cls, path: Path) -> Address | None:
        """Return the stored address, or None if no address is stored."""
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            values = json.loads(path.read_text(encoding="utf-8"))
            port, token = values["port"], values["token"]
            if isinstance(port, int) and 0 < port < 2**16 and _TOKEN.fullmatch(token):
                return cls(port, token)
        return None


def listen(path: Path, port: int | None = None) -> tuple[Address, socket.socket]:
    """Listen on a port of this machine, and return the address, which has a new token, and the socket.

    Parameters
    ----------
    path : Path
        The file that stores the address. It is written again.
    port : int, optional
        The port; 0 for any free port. By default the port in the stored address, or any free port if the stored port is
        in use.

    Raises
    ------
    InvalidParameterError
        If the port cannot be used.
    """
    listening = _listen_again(path) if port is None else None
    if listening is None:
        try:
            listening = socket.create_server((HOST, port or 0))
        except (OSError, OverflowError) as error:
            raise InvalidParameterError(
                "port", f"a free port of this machine ({error})", port, "Leave out the port to use any free port."
            ) from error
    address = Address(listening.getsockname()[1], secrets.token_urlsafe(32))
    address.write(path)
    return address, listening


def _listen_again(path: Path) -> socket.socket | None:
    """Listen on the port of the stored address. Return None if there is none, or another program uses it."""
    last = Address.read(path)
    if last is not None:
        with suppress(OSError):
            return socket.create_server((HOST, last.port))
    return None
