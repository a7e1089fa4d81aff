"""Published tables, reproduced: one script per table, with its rows as configs."""

import vae_jax  # noqa: F401 - before JAX, whose messages it chooses
