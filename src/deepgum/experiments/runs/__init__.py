"""One run: its configuration, data, network, training, records and predictions."""
