"""Audits of labels by out-of-fold predictions of networks or regressors."""
