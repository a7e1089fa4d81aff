"""Estimates of log p(x): importance weights, the bounds made of them, and how far these can be trusted."""

from vae_jax.estimators.diagnostics import (
    ENOUGH,
    Estimate,
    curve_sizes,
    estimate,
    largest_k,
    log_mean,
    pareto_k,
    trusted,
)
from vae_jax.estimators.split import Block, make_split_bound, make_split_weights
from vae_jax.estimators.weights import combine, iwae_bound, log_weight, training_bound, weigh

__all__ = [
    "ENOUGH",
    "Block",
    "Estimate",
    "combine",
    "curve_sizes",
    "estimate",
    "iwae_bound",
    "largest_k",
    "log_mean",
    "log_weight",
    "make_split_bound",
    "make_split_weights",
    "pareto_k",
    "training_bound",
    "trusted",
    "weigh",
]
