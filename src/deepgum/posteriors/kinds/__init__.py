"""Kinds of wrong labels: another unit, the opposite sign, exchanged landmarks, and how the data prove a kind."""
