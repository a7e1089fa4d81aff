"""The model families: one file each, one line in MODELS."""

from collections.abc import Callable

import jax

from vae_jax.errors import InputError
from vae_jax.models.ae import make_ae
from vae_jax.models.two_layer import make_two_layer
from vae_jax.models.vae import make_vae
from vae_jax.types import Config, Model, Params, PerExample

MODELS: dict[str, Callable[[Config, tuple[int, int, int]], Model]] = {
    "ae": make_ae,
    "two_layer": make_two_layer,
    "vae": make_vae,
}


def make_model(config: Config, shape: tuple[int, int, int]) -> Model:
    """Make the model named by `config.model`, for images of shape (H, W, C)."""
    return MODELS[config.model](config, shape)


def require_prior(model: Model, name: str = "") -> tuple[Callable[..., PerExample], Callable[..., PerExample]]:
    """Return (log_prior, log_posterior) of a model, or raise InputError with the name of its family."""
    if model.log_prior is None or model.log_posterior is None:
        name = f"model={name}:" if name else "the model"
        raise InputError(
            f"{name} has no prior, so there is nothing to sample and no log p(x); choices: a variational model, such as vae"
        )
    return model.log_prior, model.log_posterior


def num_parameters(params: Params) -> int:
    """Return the number of scalars in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def parameter_table(params: Params) -> list[tuple[str, str, int]]:
    """Return (path, shape, number of scalars) of every array of a tree, in the tree's order."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), str(a.shape), a.size) for path, a in leaves]
