"""Studies, benchmarks and the forwarders of the commands: `python -m experiments.NAME`."""

import vae_jax  # noqa: F401 - before JAX, which reads its log level when it is imported
