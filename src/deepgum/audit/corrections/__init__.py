"""Corrections: decisions about labels, patches that hold decisions, and the application of a patch to a data set."""
