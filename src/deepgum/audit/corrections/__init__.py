"""Corrections: decisions about labels, the patch that holds them, and its application to the files of a data set."""
