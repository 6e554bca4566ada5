"""Decisions about labels, the patch that holds them, and the files that a patch changes."""
