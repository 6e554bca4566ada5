"""Data sets: the contract, the registry, and one file per data set."""
