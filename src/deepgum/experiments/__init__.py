"""Experiments: a run from its settings to its records. Nothing here draws."""
