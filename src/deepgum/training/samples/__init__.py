"""The samples of an epoch: their owner processes, their weights, and checks of their batches."""
