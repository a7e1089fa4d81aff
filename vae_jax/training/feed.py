"""Training images for each device call: the whole split on the device, or each call's images gathered from disk."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int32, Shaped

from vae_jax.data.lazy import HostImages
from vae_jax.data.mapped import unmap
from vae_jax.data.records.images import RecordImages
from vae_jax.data.records.stream import Order, Stream
from vae_jax.system.devices import BYTES_OF_A_CALL, Layout, own_columns, put
from vae_jax.system.memory import device_memory
from vae_jax.types import Config

SHARE_OF_MEMORY = 4
"""The split is kept on the device only if it fits in 1/SHARE_OF_MEMORY of its memory."""


class Feed(NamedTuple):
    """The source of the training step's images."""

    images: Callable[[Int32[np.ndarray, "T B"], int], tuple[Shaped[Array, "..."], Int32[Array, "T B"] | None]]
    """(rows of the split, the first one's step) -> (all images [N, H, W, C], the rows), or (the rows' images
    [T, B, H, W, C], None). The step only decides what is read ahead."""
    shapes: Callable[[int, int], tuple[Any, Any]]
    """(steps, batch size) -> the shapes that `images` returns, as jax.ShapeDtypeStruct."""
    most_steps: int
    """The most steps whose images may be requested at once."""
    labels: Callable[[Int32[np.ndarray, "T B"]], Int32[Array, "T B"] | None] = lambda rows: None
    """(rows of the split) -> their labels [T, B]; None if the model is not conditional."""
    label_shapes: Callable[[int, int], Any] = lambda steps, batch_size: None
    """(steps, batch size) -> the shape that `labels` returns, or None."""
    close: Callable[[], None] = lambda: None
    """() -> ends what reads images ahead."""


def with_labels(feed: Feed, labels: Int32[np.ndarray, " N"], layout: Layout) -> Feed:
    """Return a feed that also has the labels of its images: looked up on the host, also if the images are on the device."""

    def shapes(steps: int, batch_size: int) -> Any:
        return jax.ShapeDtypeStruct((steps, batch_size), np.int32, sharding=layout.order)

    return feed._replace(labels=lambda rows: put(labels[rows], layout.order), label_shapes=shapes)


def make_feed(images: Shaped[HostImages, "N H W C"], config: Config, layout: Layout) -> Feed:
    """Make a feed of the split's images.

    Args:
        images: the training split, perhaps a map of a file larger than memory, or images that are read when they are needed.
        config: of its keys, `batch_size` and `seed` tell what will be read, and `data_workers` who reads ahead. `streaming` is
            "on", "off", or "auto": on if the images would take more than a quarter of the device's memory.
        layout: the placement of arrays on the devices.
    """
    streaming, batch_size = config.streaming, config.batch_size
    if streaming == "off" or (streaming == "auto" and images.nbytes <= device_memory() // SHARE_OF_MEMORY):
        resident = put(np.asarray(images), layout.replicated)
        whole = jax.ShapeDtypeStruct(images.shape, images.dtype, sharding=layout.replicated)

        def shapes(steps: int, batch_size: int) -> tuple[Any, Any]:
            return whole, jax.ShapeDtypeStruct((steps, batch_size), np.int32, sharding=layout.order)

        return Feed(lambda rows, step: (resident, put(rows, layout.order)), shapes, len(images))

    own, stream = own_columns(layout, batch_size), None  # no other process reads them
    if isinstance(images, RecordImages):
        stream = Stream(images, Order(config.seed, len(images), batch_size), own, config.data_workers)

    def gather(rows: Int32[np.ndarray, "T B"], step: int) -> tuple[Array, None]:
        read = images[rows[:, own]] if stream is None else stream.take(rows, step)

        def share(place: Any) -> Shaped[np.ndarray, "t b H W C"]:
            """Return the images of one device."""
            columns = range(rows.shape[1])[place[1]]
            return read[place[0], columns.start - own.start : columns.stop - own.start]

        gathered = jax.make_array_from_callback((*rows.shape, *images.shape[1:]), layout.order, share)
        unmap(images)
        return gathered, None

    def gathered_shapes(steps: int, batch_size: int) -> tuple[Any, None]:
        shape = (steps, batch_size, *images.shape[1:])
        return jax.ShapeDtypeStruct(shape, images.dtype, sharding=layout.order), None

    most = max(1, BYTES_OF_A_CALL * len(images) // (batch_size * images.nbytes))
    return Feed(gather, gathered_shapes, most, close=stream.close if stream else lambda: None)
