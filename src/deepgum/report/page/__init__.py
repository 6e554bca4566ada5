"""The report of an audit: one HTML file with a gallery of the flagged labels. The file loads nothing from a network."""

from deepgum.report.page.report import write_report

__all__ = ["write_report"]
