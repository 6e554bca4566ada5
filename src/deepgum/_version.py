"""The version of the package, in one place that every module may read."""

__all__ = ["__version__"]

__version__ = "0.2.0.dev0"
