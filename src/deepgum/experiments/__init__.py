"""Experiments: runs, comparisons and audits, from their settings to their records. This package draws no figure."""
