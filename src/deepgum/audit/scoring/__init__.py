"""Scores of labels, computed from given predictions: arrays, tables and streams."""
