"""Scores of labels, computed from predictions of the user: arrays, tables and streams."""
