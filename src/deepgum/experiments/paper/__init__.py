"""The paper's experiments, and comparisons of methods."""
