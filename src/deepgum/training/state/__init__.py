"""The state of a training: weights, checkpoints, the identity of a training, and the journal."""
