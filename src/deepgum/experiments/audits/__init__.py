"""Audits of data sets, from the configuration to the records."""
