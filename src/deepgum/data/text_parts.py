"""Columns of free text as numbers, without a vocabulary: new tables are read as the table of the training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARTS", "is_free_text", "text_parts"]

PARTS = 32
"""Number of columns that stand for a column of texts."""


def is_free_text(categories: Sequence[str]) -> bool:
    """Return whether most of the different texts of a column have two words or more. Ids such as "flat 12" have one.

    Examples
    --------
    >>> is_free_text(["near the park", "new windows", "sunny"]), is_free_text(["A-17", "flat 12", "B 2"])
    (True, False)
    """
    words = (sum(any(map(str.isalpha, word)) for word in text.split()) for text in categories)
    return 2 * sum(count > 1 for count in words) > len(categories)


def text_parts(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return numbers (n, 32) for n texts; 0 for an empty text.

    Groups of three and four letters are counted. A hash of the group says in which column it counts, and with which
    sign, so that the columns are a random projection of all counts (the hashing trick). Each row has length 1.

    Examples
    --------
    >>> same, similar, other, none = text_parts(["new windows", "new window", "large garden", ""])
    >>> bool(same @ similar > 0.8), bool(abs(same @ other) < 0.4), float(abs(none).sum())
    (True, True, 0.0)
    """
    from sklearn.feature_extraction.text import HashingVectorizer  # not imported with the library

    counted = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), n_features=PARTS).transform(texts)
    return np.asarray(counted.toarray(), dtype=np.float64)
