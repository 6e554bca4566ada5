"""The warning that most labels of a training are flagged, which mostly means that the groups are too large."""

from __future__ import annotations

import warnings

from torch import Tensor

from deepgum.errors import DeepGUMWarning
from deepgum.mixture.partition import Groups, partition

__all__ = ["warn_of_many_flags"]

MANY = 0.5
"""Share of flagged labels above which a warning is given."""


def warn_of_many_flags(flags: Tensor, labelled: Tensor, groups: Groups, coordinates: int, stacklevel: int = 2) -> bool:
    """Warn if more than half of the labels are flagged, and return whether this is so.

    Parameters
    ----------
    flags, labelled : Tensor (m, g) of bool
        Whether each group of labels is flagged, and whether it has a label.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
    coordinates : int
        d, the number of labels of a sample.
    stacklevel : int
        See `warnings.warn`.

    Examples
    --------
    >>> import torch
    >>> warn_of_many_flags(torch.tensor([[True], [False]]), torch.ones(2, 1, dtype=torch.bool), "sample", 4)
    False
    """
    count = int(labelled.sum())
    share = int((flags & labelled).sum()) / count if count else 0.0
    if share <= MANY:
        return False
    largest = max(map(len, partition(groups, coordinates)))
    if groups == "sample" and largest > 2:
        meaning = (
            f"With groups='sample', all {coordinates} labels of a sample are right or wrong together: a sample with "
            "one wrong label is flagged, and its right labels count as wrong."
        )
        even = "groups='landmark' if they are landmarks x y x y ..., else " if coordinates % 2 == 0 else ""
        remedy = f"If labels go wrong one by one, give {even}groups='coordinate': DeepGUMOptions(groups=...)."
    else:
        meaning = "Either most labels are wrong, or the predictions do not fit the labels yet."
        remedy = "Compare some flagged labels with their predictions, and check that both are in the same order."
    kind = {"sample": "samples", "landmark": "landmarks"}.get(groups if isinstance(groups, str) else "", "labels")
    warnings.warn(f"{100 * share:.0f} % of the {kind} are flagged. {meaning} {remedy}", DeepGUMWarning, stacklevel + 1)
    return True
