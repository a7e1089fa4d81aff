"""Trees of arrays in a checkpoint: names, shapes and dtypes compared, and values put into a template's structure."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.errors import InputError

_MOST_DIFFERENCES = 5


class Info(NamedTuple):
    """A checkpoint without its arrays."""

    step: int
    info: dict
    """The JSON item, as it was saved."""


class Restored(NamedTuple):
    """A checkpoint."""

    step: int
    state: Any
    """A pytree like the template; without a template, nested dicts and lists of numpy arrays."""
    info: dict
    """The JSON item, as it was saved."""


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def named_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves by name, such as params/encoder/Dense_0/kernel."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def compare(saved: Any, template: Any, at: str = "") -> Any:
    """Return the template's leaves in the saved structure.

    Args:
        saved: a pytree of anything with shape and dtype.
        template: the pytree that is wanted.
        at: the name of the tree within the state, for messages.

    Raises:
        InputError: a line for each array whose name, shape or dtype is not the template's, at most five.
    """
    ours, theirs = named_leaves(template), named_leaves(saved)
    if differences := _differences(theirs, ours, f"{at}/" if at else ""):
        raise InputError("\n".join(differences))
    return jax.tree_util.tree_map_with_path(lambda path, _: ours[_name(path)], saved)


def _differences(saved: dict[str, Any], wanted: dict[str, Any], at: str) -> list[str]:
    def line(name: str) -> str:
        before = f"saved {_described(saved[name])}" if name in saved else "not saved"
        now = f"gives {_described(wanted[name])}" if name in wanted else "has no such array"
        return f"{at}{name}: {before}, the config {now}"

    names = dict.fromkeys([*wanted, *saved])
    same = {name for name in saved.keys() & wanted.keys() if _described(saved[name]) == _described(wanted[name])}
    lines = [line(name) for name in names if name not in same]
    more = len(lines) - _MOST_DIFFERENCES
    return lines if more <= 0 else [*lines[:_MOST_DIFFERENCES], f"and {more} more"]


def _described(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}[{','.join(map(str, leaf.shape))}]"


def target(leaf: Any) -> Any:
    """Return what orbax restores a leaf to: an array on the leaf's devices, or on the host if it is bound to none."""
    sharding = getattr(leaf, "sharding", None)
    if isinstance(sharding, jax.sharding.Sharding) and getattr(leaf, "committed", True):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def placed_like(template: Any, values: dict[str, Any]) -> Any:
    """Return the named values in the template's structure, as device arrays unless the template's leaf is numpy's."""

    def placed(path: Any, leaf: Any) -> Any:
        value = values[_name(path)]
        return jnp.array(value) if isinstance(value, np.ndarray) and not isinstance(leaf, np.ndarray) else value

    return jax.tree_util.tree_map_with_path(placed, template)
