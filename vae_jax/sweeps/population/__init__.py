"""Populations: runs that differ only in the arguments of a compiled program, trained as one program."""

from vae_jax.sweeps.population.loop import train_population
from vae_jax.sweeps.population.members import Outcome
from vae_jax.sweeps.population.scheduling import plan_groups, train_runs
