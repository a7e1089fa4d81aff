"""Reading a checkpoint into a template: names, shapes and dtypes compared first, structure restored exactly."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.errors import InputError

_MOST_DIFFERENCES = 5


class Restored(NamedTuple):
    """What `Checkpoints.restore` found."""

    step: int
    state: Any
    """A pytree like the template; without a template nested dicts and lists of numpy arrays."""
    info: dict
    """The JSON item, as it was saved."""


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _leaves(tree: Any) -> dict[str, Any]:
    """The leaves by name, such as params/encoder/Dense_0/kernel."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _described(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}[{','.join(map(str, leaf.shape))}]"


def _differences(saved: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    def line(name: str) -> str:
        before = f"saved {_described(saved[name])}" if name in saved else "not saved"
        now = f"gives {_described(wanted[name])}" if name in wanted else "has no such array"
        return f"{name}: {before}, the config {now}"

    names = dict.fromkeys([*wanted, *saved])
    same = {name for name in saved.keys() & wanted.keys() if _described(saved[name]) == _described(wanted[name])}
    lines = [line(name) for name in names if name not in same]
    more = len(lines) - _MOST_DIFFERENCES
    return lines if more <= 0 else [*lines[:_MOST_DIFFERENCES], f"and {more} more"]


def _target(leaf: Any) -> Any:
    """What orbax restores a leaf to: an array on the leaf's devices, or on the host where it is bound to none."""
    sharding = getattr(leaf, "sharding", None)
    if isinstance(sharding, jax.sharding.Sharding) and getattr(leaf, "committed", True):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def read(manager: Any, step: int, template: Any) -> Restored:
    """The checkpoint of a step from orbax's manager, in the template's structure and shardings; None: host arrays.

    Raises:
        InputError: a line for each array whose name, shape or dtype is not the template's, at most five.
    """
    import orbax.checkpoint as ocp

    tree = manager.item_metadata(step)["state"].tree
    saved = _leaves(tree)
    wanted = saved if template is None else _leaves(template)
    if differences := _differences(saved, wanted):
        raise InputError("\n".join(differences))
    # Saved structure in, template's structure out: orbax forgets NamedTuples, and pads where the two differ.
    target = jax.tree_util.tree_map_with_path(lambda path, _: _target(wanted[_name(path)]), tree)
    args = ocp.args.Composite(state=ocp.args.StandardRestore(target), info=ocp.args.JsonRestore())
    restored = manager.restore(step, args=args)
    if template is None:
        return Restored(step, restored["state"], restored["info"])
    values = _leaves(restored["state"])

    def placed(path: Any, leaf: Any) -> Any:
        value = values[_name(path)]
        return jnp.array(value) if isinstance(value, np.ndarray) and not isinstance(leaf, np.ndarray) else value

    return Restored(step, jax.tree_util.tree_map_with_path(placed, template), restored["info"])
