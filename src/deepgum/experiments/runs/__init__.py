"""One run: the configuration, data, network, training, records and predictions of a run."""
