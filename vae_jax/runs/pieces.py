"""Images as a caller gives them, checked, and a function of many rows computed a piece at a time."""

import math
import operator
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax.data.labels import listed
from vae_jax.data.mapped import unmap
from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError, shown


def in_pieces(function: Callable[[Any], Any], rows: Any, most: int) -> Any:
    """Compute function(rows) in pieces, and return its results as numpy arrays.

    Args:
        function: (rows) -> a pytree of arrays, each with a row for every row given.
        rows: a pytree of arrays [N, ...]; uint8 images become pixels in [0, 1].
        most: the most rows of a piece.
    """
    count = len(jax.tree.leaves(rows)[0])
    # Padded to a power of 8, so that few sizes are compiled.
    size = min(most, 8 ** math.ceil(math.log(max(count, 1), 8)))

    def piece(rows: np.ndarray, start: int) -> np.ndarray:
        part = unit(rows[start : start + size])
        unmap(rows)
        return np.pad(part, [(0, size - len(part)), *[(0, 0)] * (rows.ndim - 1)])

    pieces = []
    for start in range(0, max(count, 1), size):
        pieces.append(jax.device_get(function(jax.tree.map(lambda a, start=start: piece(a, start), rows))))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *pieces)


def whole(name: str, value: Any, most: int = 2**31 - 1) -> int:
    """Return a whole number that a caller gives as `name`, from 0 to `most`; InputError if it is none."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or not 0 <= number <= most:
        raise InputError(f"{name}={shown(value)}: not a whole number; choices: 0 to {most}")
    return number


def as_seed(value: Any) -> int:
    """Return a seed, 0 to 2^32 - 1, that a caller gives; InputError if it is none."""
    return whole("seed", value, 2**32 - 1)


def as_labels(labels: Any, count: int, names: tuple[str, ...], name: str = "labels") -> np.ndarray | None:
    """Return the numbers i32[count] of classes that a caller gives; None if there are no classes and no labels.

    Args:
        labels: names of classes, or their positions in `names`, one for each row, or a single one for all.
        count: the number of rows.
        names: the names of classes 0, 1, ...; empty if the run is not conditional.
        name: the name of the argument, for messages.

    Raises:
        InputError: another number of labels, or one that is no class; no labels though there are classes, or the reverse.
    """
    if labels is None and not names:
        return None
    if labels is None:
        raise InputError(
            f"{name}: missing, and the run is conditional (condition=label); choices: {listed(list(names))}"
        )
    if not names:
        raise InputError(f"{name}: the run is not conditional, so it takes none; choices: a run with condition=label")
    given = np.atleast_1d(np.asarray(labels))
    if given.shape not in ((1,), (count,)):
        raise InputError(f"{name} has shape {given.shape}; give one for each of {count} rows, or a single one for all")
    numbers = {label: _class_number(label, names, name) for label in dict.fromkeys(given.tolist())}
    return np.broadcast_to(np.array([numbers[label] for label in given.tolist()], np.int32), (count,))


def _class_number(label: Any, names: tuple[str, ...], name: str) -> int:
    """Return the number of a class that is given by its name, or by its position among the names, from 0."""
    known: dict[Any, int] = {number: number for number in range(len(names))}
    if isinstance(label, str):
        # Where names are numbers, text is never a position: "1" may name class 0.
        positions = {} if any(name.isdecimal() for name in names) else {str(number): number for number in known}
        known = positions | {name: number for number, name in enumerate(names)}
    number = known.get(label)
    if number is None or isinstance(label, bool):
        raise InputError(f"{name}={shown(label)}: no such class; choices: {listed(list(names))}")
    return number


def as_images(x: np.ndarray, shape: tuple[int, int, int], any_range: bool) -> np.ndarray:
    """Return images [N, H, W, C] as they are if uint8, else as float32.

    Args:
        x: [N, H, W, C], or [N, H, W] for grey images.
        shape: (H, W, C).
        any_range: True if floats may be outside of [0, 1].

    Raises:
        InputError: another shape or range.
    """
    x = np.asarray(x)
    if x.shape == shape:
        raise InputError(f"x is one image of shape {shape}, without a batch axis; give x[None]")
    if x.ndim == 3 and shape[2] == 1:
        x = x[..., None]
    if x.shape[1:] != shape:
        raise InputError(f"x has shape {x.shape}; the run's images are [N, {', '.join(map(str, shape))}]")
    if x.dtype == np.uint8:
        return x
    x = x.astype(np.float32)
    if x.size and not any_range and not (x.min() >= 0 and x.max() <= 1):
        raise InputError(f"x is in [{x.min():g}, {x.max():g}]; float images must be in [0, 1], others must be uint8")
    return x


def as_latents(z: Any, one: Any, size: int | None) -> Any:
    """Return latent points as arrays [N, ...], float32, or integers if they are codes.

    Args:
        z: an array or nested lists [N, F] of numbers; or a tuple of arrays like `one`, for a model with such a z.
        one: the shapes of a single z, each with a first axis of 1.
        size: F, the numbers that say a z; None if there are none, so that only a z like `one` is taken.

    Raises:
        InputError: another structure or shape.
    """
    numbers = None if size is None else jax.ShapeDtypeStruct((1, size), np.float32)
    wanted = one if numbers is None else numbers
    shapes = [f"[{', '.join(['N', *map(str, leaf.shape[1:])])}]" for leaf in jax.tree.leaves(wanted)]
    taken = f"the run decodes z of shape {' and '.join(shapes)}"
    if hasattr(z, "mean") and hasattr(z, "_fields"):
        raise InputError(f"z is a {type(z).__name__}, not a point; {taken}: run.latents(x), or run.sample_posterior(x)")
    if not hasattr(z, "_fields"):
        one = jax.tree.leaves(wanted)[0]
        try:
            z = np.asarray(z, np.float32)
        except (TypeError, ValueError):
            raise InputError(f"z is a {type(z).__name__} that is no array of numbers; {taken}") from None
    given = [np.shape(leaf) for leaf in jax.tree.leaves(z)]
    alike = jax.tree.structure(z) == jax.tree.structure(one) and len({shape[:1] for shape in given}) == 1
    if not alike or any(shape[1:] != leaf.shape[1:] for shape, leaf in zip(given, jax.tree.leaves(one), strict=True)):
        raise InputError(f"z has shape {' and '.join(map(str, given)) or 'of nothing'}; {taken}")
    return jax.tree.map(lambda leaf, like: np.asarray(leaf, like.dtype), z, one)
