"""Families of models: one file each, one line in MODELS."""

from collections.abc import Callable

import jax

from vae_jax.models.ae import make_ae
from vae_jax.models.two_layer import make_two_layer
from vae_jax.models.vae import make_vae
from vae_jax.types import Config, Model, Params

__all__ = ["MODELS", "make_model", "num_parameters", "parameter_table"]

MODELS: dict[str, Callable[[Config, tuple[int, int, int]], Model]] = {
    "ae": make_ae,
    "two_layer": make_two_layer,
    "vae": make_vae,
}


def make_model(config: Config, shape: tuple[int, int, int]) -> Model:
    """The model that `config.model` names, for images of shape (H, W, C)."""
    return MODELS[config.model](config, shape)


def num_parameters(params: Params) -> int:
    """Number of scalars in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def parameter_table(params: Params) -> list[tuple[str, str, int]]:
    """(path, shape, count) of every array of a tree, in its order."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), str(a.shape), a.size) for path, a in leaves]
