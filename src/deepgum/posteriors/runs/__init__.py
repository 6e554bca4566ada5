"""Wrong labels that come in runs: a day, a batch, a sensor, an annotator or a source whose labels are mostly wrong."""
