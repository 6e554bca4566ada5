"""Ids that have to come once each, found out without keeping them: sixteen bytes a name, however long it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from deepgum.errors import InvalidDataError, listing

__all__ = ["Digests", "check_ids"]

_BYTES = 16


class Digests:
    """Names as digests, in their order.

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
        """Add names after those that are there."""
        self._digests += b"".join(
            blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest() for name in names
        )

    def repeated(self) -> list[int]:
        """Return the places of names that were there before."""
        halves = np.frombuffer(self._digests, np.uint64).reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal names the first stays first
        same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
        return sorted(order[1:][same].tolist())


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids that come twice.

    Raises
    ------
    InvalidDataError
        Which names them.
    """
    digests = Digests()
    digests.add(ids)
    repeated = digests.repeated()
    if repeated:
        twice = dict.fromkeys(ids[row] for row in repeated)
        raise InvalidDataError(f"`ids` should name each sample once. Found more than once: {listing(list(twice))}.")
