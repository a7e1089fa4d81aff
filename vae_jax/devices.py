"""One mesh over all devices: parameters on each of them, the batch spread over them."""

from typing import NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vae_jax.types import InputError


class Layout(NamedTuple):
    """Where arrays lie on the mesh, whose one axis is "batch"."""

    replicated: NamedSharding
    batch: NamedSharding
    """[B, ...]: the first axis is spread."""
    order: NamedSharding
    """[T, B]: the second axis is spread."""


def make_layout() -> Layout:
    """A layout over all devices of this process."""
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    specs = PartitionSpec(), PartitionSpec("batch"), PartitionSpec(None, "batch")
    return Layout(*(NamedSharding(mesh, spec) for spec in specs))


def check_batch_size(batch_size: int, num_devices: int) -> None:
    """Refuse a batch that cannot be spread evenly.

    Raises:
        InputError: naming the nearest sizes that can.
    """
    below = batch_size // num_devices * num_devices
    if below != batch_size:
        near = [str(size) for size in (below, below + num_devices) if size]
        raise InputError(
            f"batch_size={batch_size}: {num_devices} devices share a batch evenly; choices: {' or '.join(near)}"
        )


def describe() -> str:
    """The devices in words: "1 CPU device", "8 NVIDIA H200"."""
    devices = jax.devices()
    if devices[0].platform == "cpu":
        return f"{len(devices)} CPU device" + ("s" if len(devices) > 1 else "")
    return f"{len(devices)} {devices[0].device_kind}"
