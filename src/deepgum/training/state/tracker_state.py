"""The check that the saved state of a tracker belongs to the training that loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepgum.errors import InvalidDataError, differences, listing

__all__ = ["FORMAT", "check_tracker_state"]

FORMAT = "deepgum.ResponsibilityTracker/2"
"""Format of a tracker's state; states of version 0.1.0 have no format."""


def check_tracker_state(state: Mapping[str, Any], own: Mapping[str, Any], *, knows_targets: bool) -> None:
    """Check that a state fits the tracker, whose own state is `own`.

    Parameters
    ----------
    knows_targets : bool
        Whether the tracker was made with all labels. Their spread then distinguishes data sets; that of a first batch
        does not.

    Raises
    ------
    InvalidDataError
        If the state belongs to a tracker with another number of samples or processes, other options or other labels, if
        the state comes from version 0.1.0, or if it is not the state of a tracker.
    """
    if "format" not in state and "n_samples" in state:
        raise InvalidDataError(
            "A tracker's state should be from this version. Version 0.1.0 of deepgum wrote this state. Finish the "
            "training with that version, or begin the training anew."
        )
    lacking = [name for name in own if name not in state]
    if lacking:
        raise InvalidDataError(f"A tracker's state should come from `state_dict`. It lacks {listing(lacking)}.")
    names = ("format", "n_samples", "world_size", "options", *(("width", "spread") if knows_targets else ()))
    found = differences({name: state[name] for name in names}, {name: own[name] for name in names})
    if found:
        raise InvalidDataError(f"A tracker's state should come from the same training. Found differences: {found}.")
