"""The parts of `benchmarks/attack.py`: one file per kind of attack, and the files that all kinds share."""
