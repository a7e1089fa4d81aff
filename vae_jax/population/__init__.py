"""Populations: runs that differ only in numbers which a compiled program is given, trained as one program."""

from vae_jax.population.members import Outcome
from vae_jax.population.runs import plan_groups, train_runs
from vae_jax.population.training import train_population

__all__ = ["Outcome", "plan_groups", "train_population", "train_runs"]
