"""The training images of a call of the device: all of them lie there, or those of the call are gathered from disk."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int32, UInt8

from vae_jax.data.mapped import unmap
from vae_jax.system.devices import BYTES_OF_A_CALL, Layout, put
from vae_jax.system.memory import device_memory

SHARE_OF_MEMORY = 4
"""Images stay off a device of which they would take more than one part in so many."""


class Feed(NamedTuple):
    """Hands the training step its images."""

    images: Callable[[Int32[np.ndarray, "T B"]], tuple[UInt8[Array, "..."], Int32[Array, "T B"] | None]]
    """(rows of the split) -> (all images [N, H, W, C], the rows), or (the rows' images [T, B, H, W, C], None)."""
    shapes: Callable[[int, int], tuple[Any, Any]]
    """(steps, batch size) -> what `images` gives for so many, as jax.ShapeDtypeStruct."""
    most_steps: int
    """Steps for which images may be asked at once."""


def make_feed(images: UInt8[np.ndarray, "N H W C"], batch_size: int, streaming: str, layout: Layout) -> Feed:
    """A feed of the split's images.

    Args:
        images: the training split, perhaps a map of a file larger than memory.
        batch_size: images of a step.
        streaming: "on", "off", or "auto": on where the images would take more than a quarter of the device's memory.
        layout: where arrays lie.
    """
    if streaming == "off" or (streaming == "auto" and images.nbytes <= device_memory() // SHARE_OF_MEMORY):
        resident = put(images, layout.replicated)
        whole = jax.ShapeDtypeStruct(images.shape, images.dtype, sharding=layout.replicated)

        def shapes(steps: int, batch_size: int) -> tuple[Any, Any]:
            return whole, jax.ShapeDtypeStruct((steps, batch_size), np.int32, sharding=layout.order)

        return Feed(lambda rows: (resident, put(rows, layout.order)), shapes, len(images))

    def gather(rows: Int32[np.ndarray, "T B"]) -> tuple[Array, None]:
        def share(place: Any) -> UInt8[np.ndarray, "t b H W C"]:
            """The images of one device, which no other process reads."""
            return images[rows[place[:2]]]

        gathered = jax.make_array_from_callback((*rows.shape, *images.shape[1:]), layout.order, share)
        unmap(images)
        return gathered, None

    def gathered_shapes(steps: int, batch_size: int) -> tuple[Any, None]:
        shape = (steps, batch_size, *images.shape[1:])
        return jax.ShapeDtypeStruct(shape, images.dtype, sharding=layout.order), None

    return Feed(gather, gathered_shapes, max(1, BYTES_OF_A_CALL // (batch_size * images[:1].nbytes)))
