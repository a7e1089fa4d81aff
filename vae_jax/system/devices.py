"""One mesh over all devices: parameters are replicated, the batch is sharded."""

import contextlib
import ctypes
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec, Sharding

from vae_jax.errors import InputError
from vae_jax.types import Config

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Constants of glibc's malloc.h."""


class Layout(NamedTuple):
    """The shardings of arrays on the mesh, whose one axis is "batch"."""

    replicated: NamedSharding
    batch: NamedSharding
    """[B, ...]: the first axis is sharded."""
    order: NamedSharding
    """[T, B, ...]: the second axis is sharded."""


def keep_memory(config: Config) -> None:
    """Let the C library keep freed memory, in one heap, for convolutions on a CPU. Call it before JAX starts threads.

    XLA allocates a call's intermediate results at every call. Large pieces would come from the system and go back to it
    each time, and be zeroed page by page: a third of the time of a step with 128 MNIST images. Dense networks have small
    pieces and are left alone, because compiling in many threads is slower with one heap.
    """
    # mallopt affects heaps that are created later, one per thread, and jax.device_count() is what starts the threads.
    if config.network not in ("conv", "resnet"):
        return
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
            mallopt(option, value)


def make_layout() -> Layout:
    """Make a layout over all devices, including those of other processes."""
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    specs = PartitionSpec(), PartitionSpec("batch"), PartitionSpec(None, "batch")
    return Layout(*(NamedSharding(mesh, spec) for spec in specs))


def put(array: np.ndarray, sharding: Sharding | None) -> jax.Array:
    """Put an array on the devices. Each process has the same array, and reads only the share of its own devices."""
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    return jax.make_array_from_callback(array.shape, sharding, lambda place: array[place])


def own_columns(layout: Layout, batch_size: int) -> slice:
    """Return the images of a batch that devices of this process hold, from the first to the last."""
    places = layout.order.addressable_devices_indices_map((1, batch_size)).values()
    columns = [range(batch_size)[place[1]] for place in places if place is not None]
    return slice(min(own.start for own in columns), max(own.stop for own in columns))


def check_batch_size(batch_size: int, num_devices: int, accumulate_steps: int = 1) -> None:
    """Raise InputError, naming the nearest sizes that do, unless the batch divides over the devices and `accumulate_steps`."""
    pieces = num_devices * accumulate_steps
    below = batch_size // pieces * pieces
    if below != batch_size:
        near = [str(size) for size in (below, below + pieces) if size]
        sharers = f"{num_devices} device" + "s" * (num_devices > 1)
        if accumulate_steps > 1:
            sharers += f" in {accumulate_steps} parts (accumulate_steps)"
        raise InputError(
            f"batch_size={batch_size}: {sharers} cannot share the batch evenly; choices: {' or '.join(near)}"
        )


def check_parts(batch_size: int, num_devices: int, accumulate_steps: int, least: int) -> None:
    """Raise InputError unless each part of the batch, of one device and one accumulation step, has `least` images."""
    pieces = num_devices * accumulate_steps
    if batch_size // pieces < least:
        raise InputError(
            f"batch_size={batch_size}: the objective needs {least} images in a part, and there are {batch_size // pieces} "
            f"(devices: {num_devices}, accumulate_steps={accumulate_steps}); choices: {least * pieces} or more"
        )


def describe() -> str:
    """Return the devices in words: "1 CPU device", "8 NVIDIA H200 of 2 processes"."""
    devices, processes = jax.devices(), jax.process_count()
    kind = devices[0].device_kind
    if devices[0].platform == "cpu":
        kind = "CPU device" + "s" * (len(devices) > 1)
    return f"{len(devices)} {kind}" + (f" of {processes} processes" if processes > 1 else "")


BYTES_OF_A_CALL = 16 * 2**20
