"""Estimates of log p(x): importance weights, bounds computed from them, and diagnostics that say how far to trust them."""

from vae_jax.evaluation.estimators.ais import AIS, Annealed, ais_estimate, make_ais, reverse_ais, upper_bound
from vae_jax.evaluation.estimators.annealing import beta_schedule
from vae_jax.evaluation.estimators.diagnostics import (
    ENOUGH,
    Estimate,
    curve_sizes,
    estimate,
    largest_k,
    log_mean,
    pareto_k,
    trusted,
)
from vae_jax.evaluation.estimators.tuning import tune_step_sizes
from vae_jax.evaluation.estimators.whole_split import Block, make_split_bound, make_split_weights
from vae_jax.objectives.weights import combine, iwae_bound, log_weight, training_bound, weigh
