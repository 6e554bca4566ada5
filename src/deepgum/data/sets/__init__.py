"""The published data sets, and tables of the user."""
