"""The check that ids are unique. It stores sixteen bytes per id, regardless of the length of the id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from deepgum.errors import InvalidDataError, listing

__all__ = ["Digests", "check_ids", "digest"]

_BYTES = 16


def digest(name: str) -> bytes:
    """Return the digest of a name."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()


class Digests:
    """Digests (short hashes) of names, in the order in which the names are added.

    Examples
    --------
    >>> digests = Digests()
    >>> digests.add(["a", "b"])
    >>> digests.add(["c", "a"])
    >>> digests.repeated()
    [3]
    """

    def __init__(self) -> None:
        self._digests = bytearray()

    def add(self, names: Iterable[str]) -> None:
        """Append the digests of names."""
        self._digests += b"".join(map(digest, names))

    def values_at(self, positions: Iterable[int]) -> frozenset[bytes]:
        """Return the different digests at these positions."""
        return frozenset(bytes(self._digests[_BYTES * place : _BYTES * (place + 1)]) for place in positions)

    def repeated(self) -> list[int]:
        """Return the positions of names that already occurred at an earlier position."""
        halves = np.frombuffer(self._digests, np.uint64).reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal names keep their order
        same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
        return sorted(order[1:][same].tolist())


def check_ids(ids: Sequence[str]) -> None:
    """Refuse repeated ids.

    Raises
    ------
    InvalidDataError
        If an id is repeated. The message names the repeated ids.
    """
    digests = Digests()
    digests.add(ids)
    repeated = digests.repeated()
    if repeated:
        twice = dict.fromkeys(ids[row] for row in repeated)
        raise InvalidDataError(f"`ids` should be unique. Found more than once: {listing(list(twice))}.")
