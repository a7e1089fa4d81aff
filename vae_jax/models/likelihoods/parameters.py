"""The parameters of likelihoods that have none."""

from jaxtyping import PRNGKeyArray

from vae_jax.types import Params


def no_params(key: PRNGKeyArray) -> Params:
    """`init` of a likelihood without parameters of its own."""
    del key
    return {}
