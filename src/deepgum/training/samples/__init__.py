"""The samples of an epoch: which process holds them, their weights, their batches."""
