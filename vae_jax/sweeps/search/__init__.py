"""Searches: trials at points that the trials before them suggest, where a sweep has every point of a list."""

from vae_jax.sweeps.search.flags import KINDS, check
from vae_jax.sweeps.search.space import parse_space
from vae_jax.sweeps.search.study import search
from vae_jax.sweeps.search.table import write
from vae_jax.sweeps.search.trials import Search
