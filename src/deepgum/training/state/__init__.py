"""The state of a training: weights, checkpoints and their identity, the journal of what is done."""
