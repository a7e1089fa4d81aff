"""Training images for each device call: the whole split on the device, or each call's images gathered from disk."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int32, Shaped

from vae_jax.data.mapped import unmap
from vae_jax.system.devices import BYTES_OF_A_CALL, Layout, put
from vae_jax.system.memory import device_memory

SHARE_OF_MEMORY = 4
"""The split is kept on the device only if it fits in 1/SHARE_OF_MEMORY of its memory."""


class Feed(NamedTuple):
    """The source of the training step's images."""

    images: Callable[[Int32[np.ndarray, "T B"]], tuple[Shaped[Array, "..."], Int32[Array, "T B"] | None]]
    """(rows of the split) -> (all images [N, H, W, C], the rows), or (the rows' images [T, B, H, W, C], None)."""
    shapes: Callable[[int, int], tuple[Any, Any]]
    """(steps, batch size) -> the shapes that `images` returns, as jax.ShapeDtypeStruct."""
    most_steps: int
    """The most steps whose images may be requested at once."""
    labels: Callable[[Int32[np.ndarray, "T B"]], Int32[Array, "T B"] | None] = lambda rows: None
    """(rows of the split) -> their labels [T, B]; None if the model is not conditional."""
    label_shapes: Callable[[int, int], Any] = lambda steps, batch_size: None
    """(steps, batch size) -> the shape that `labels` returns, or None."""


def with_labels(feed: Feed, labels: Int32[np.ndarray, " N"], layout: Layout) -> Feed:
    """Return a feed that also has the labels of its images: looked up on the host, also if the images are on the device."""

    def shapes(steps: int, batch_size: int) -> Any:
        return jax.ShapeDtypeStruct((steps, batch_size), np.int32, sharding=layout.order)

    return feed._replace(labels=lambda rows: put(labels[rows], layout.order), label_shapes=shapes)


def make_feed(images: Shaped[np.ndarray, "N H W C"], batch_size: int, streaming: str, layout: Layout) -> Feed:
    """Make a feed of the split's images.

    Args:
        images: the training split, perhaps a map of a file larger than memory.
        batch_size: the images of a step.
        streaming: "on", "off", or "auto": on if the images would take more than a quarter of the device's memory.
        layout: the placement of arrays on the devices.
    """
    if streaming == "off" or (streaming == "auto" and images.nbytes <= device_memory() // SHARE_OF_MEMORY):
        resident = put(images, layout.replicated)
        whole = jax.ShapeDtypeStruct(images.shape, images.dtype, sharding=layout.replicated)

        def shapes(steps: int, batch_size: int) -> tuple[Any, Any]:
            return whole, jax.ShapeDtypeStruct((steps, batch_size), np.int32, sharding=layout.order)

        return Feed(lambda rows: (resident, put(rows, layout.order)), shapes, len(images))

    def gather(rows: Int32[np.ndarray, "T B"]) -> tuple[Array, None]:
        def share(place: Any) -> Shaped[np.ndarray, "t b H W C"]:
            """Return the images of one device, which no other process reads."""
            return images[rows[place[:2]]]

        gathered = jax.make_array_from_callback((*rows.shape, *images.shape[1:]), layout.order, share)
        unmap(images)
        return gathered, None

    def gathered_shapes(steps: int, batch_size: int) -> tuple[Any, None]:
        shape = (steps, batch_size, *images.shape[1:])
        return jax.ShapeDtypeStruct(shape, images.dtype, sharding=layout.order), None

    return Feed(gather, gathered_shapes, max(1, BYTES_OF_A_CALL // (batch_size * images[:1].nbytes)))
