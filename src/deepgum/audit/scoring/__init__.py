"""Scores of labels by given predictions: arrays, tables and streams."""
