"""Exact means over a split, log-likelihood estimates, and the health of a run."""
