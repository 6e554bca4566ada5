"""Audits of labels by predictions of networks or regressors that were not fitted to them."""
