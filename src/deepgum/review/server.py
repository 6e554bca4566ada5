"""A review, served on this machine until it is stopped."""

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

__all__ = ["check_packages", "made_for", "serve"]

_PACKAGES = ("starlette", "uvicorn")


def serve(review: Review, port: int | None = None, ready: Callable[[Address], None] = lambda _: None) -> None:
    """Serve a review until Ctrl-C, which is raised.

    Parameters
    ----------
    review : Review
    port : int, optional
        As of `deepgum.review.address.listen`.
    ready : callable
        Told the address once it is listened at.

    Raises
    ------
    MissingDependencyError
        If Starlette or Uvicorn is not installed.
    OutputFolderError
        If the same folder is served already.
    InvalidParameterError
        If the port cannot be had.
    """
    check_packages()
    folder = review.folder
    address_file = folder.address_file

    def taken(process: str) -> OutputFolderError:
        address = Address.read(address_file)
        where = "" if address is None else f" at {address.url}"
        return OutputFolderError(
            f"'{folder.path}' should be reviewed through one server at a time. Another one{process} serves it{where}: "
            "open that, or stop it first."
        )

    # Two would lose nothing, as the store sees to it; but their pages would take turns in having the last word.
    with locked(folder.path / ".review.lock", taken):
        address, listening = listen(address_file, port)
        with listening:
            ready(address)
            made_for(review, address).run(sockets=[listening])


def made_for(review: Review, address: Address) -> uvicorn.Server:
    """Return the server of a review; `run(sockets=[...])` serves it until a signal, or until `should_exit` is set."""
    # Imported late: all else works without them.
    import uvicorn

    from deepgum.review.app import application

    return uvicorn.Server(
        uvicorn.Config(
            application(review, address),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,  # it would hold the token
            proxy_headers=False,  # nobody stands between
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    )


def check_packages() -> None:
    """Raise MissingDependencyError unless what serves a review is installed."""
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingDependencyError("`deepgum review`", package, extra="review") from error
