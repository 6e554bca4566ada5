"""The server of a review. It runs on this machine until it is stopped."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepgum.errors import MissingDependencyError, OutputFolderError
from deepgum.review.address import Address, listen
from deepgum.review.session import Review
from deepgum.storage.lock import locked

if TYPE_CHECKING:
    import uvicorn

__all__ = ["check_packages", "make_server", "serve"]

_PACKAGES = ("starlette", "uvicorn")


def serve(review: Review, port: int | None = None, ready: Callable[[Address], None] = lambda _: None) -> None:
    """Serve a review until a KeyboardInterrupt (Ctrl-C).

    Parameters
    ----------
    review : Review
    port : int, optional
        The port; see `deepgum.review.address.listen`.
    ready : callable
        Function that is called with the address of the review when the server starts to listen.

    Raises
    ------
    MissingDependencyError
        If Starlette or Uvicorn is not installed.
    OutputFolderError
        If another server serves the same folder.
    InvalidParameterError
        If the port cannot be used.
    """
    check_packages()
    folder = review.folder
    address_file = folder.address_file

    def taken(process: str) -> OutputFolderError:
        address = Address.read(address_file)
        where = "" if address is None else f" at {address.url}"
        return OutputFolderError(
            f"'{folder.path}' should have one server at a time. Another server{process} serves it{where}. Open that "
            "address, or stop the other server first."
        )

    # With two servers, the store would lose no decision, but the pages would overwrite each other's decisions.
    with locked(folder.review_lock, taken):
        address, listening = listen(address_file, port)
        with listening:
            ready(address)
            make_server(review, address).run(sockets=[listening])


def make_server(review: Review, address: Address) -> uvicorn.Server:
    """Return the server of a review.

    The method `run(sockets=[...])` of the server serves the review until there is a signal, or `should_exit` is set.
    """
    # uvicorn is an optional package, so it is imported here.
    import uvicorn

    from deepgum.review.app import application
    from deepgum.review.connections import BACKLOG, Connection

    return uvicorn.Server(
        uvicorn.Config(
            application(review, address),
            loop="asyncio",
            http=Connection,
            backlog=BACKLOG,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,  # the paths contain the token
            proxy_headers=False,  # there is no proxy
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    )


def check_packages() -> None:
    """Raise `MissingDependencyError` unless the packages of the server are installed."""
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingDependencyError("`deepgum review`", package, extra="review") from error
