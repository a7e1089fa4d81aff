"""Sweeps: a list of runs from the values of a key, and a table from their results. `population` trains them."""

from vae_jax.sweeps.groups import groups, keys_apart, refuse_lone
from vae_jax.sweeps.plan import Planned, Point, folder_name, parse_over, plan, point_text, product
from vae_jax.sweeps.rate_distortion import over_beta, rates
from vae_jax.sweeps.summary import Row, csv_text, lines, summarize, table_rows
