"""Deep regression that finds wrong labels and learns without them."""

__version__ = "0.1.0"
