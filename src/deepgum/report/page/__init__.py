"""The report of an audit: one HTML file that needs no network, with a gallery of the flagged labels."""

from deepgum.report.page.report import write_report

__all__ = ["write_report"]
