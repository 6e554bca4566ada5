"""Densities of right and wrong labels beyond eq. 1, and the posterior that follows from them."""
