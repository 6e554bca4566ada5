"""Scores of labels, given predictions: arrays, tables and streams."""
