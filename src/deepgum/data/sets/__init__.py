"""Data sets: the base class, the registry, and one module per data set."""
