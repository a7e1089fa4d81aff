import vae_jax  # noqa: F401 - before JAX, whose messages it chooses
