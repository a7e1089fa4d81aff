"""Whether a program fits into memory, told before it is run: a machine without memory kills what asks for too much."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError, shown
from vae_jax.system.formatting import format_bytes
from vae_jax.types import Config

SIZES = ("latent_dim", "upper_latent_dim", "hidden_dims", "upper_hidden_dims", "channels")
"""Keys that decide how many parameters there are."""

GROUPS = Path("/sys/fs/cgroup")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def free_bytes() -> int | None:
    """Memory that one device can still give; of a CPU, what the machine and the container leave; None: not known."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return min((size for size in (_available(), _left_by_container()) if size is not None), default=None)


def needed_bytes(program: Any) -> int:
    """What a compiled program takes beside its arguments, which are there."""
    stats = program.memory_analysis()
    return stats.temp_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes


def assert_state_fits(state: Any, config: Config) -> None:
    """Refuse a state of training (its shapes) that the device's memory cannot hold, before anything of it is made.

    Raises:
        InputError: naming the largest of the keys that size a model.
    """
    needed, there = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)), device_memory()
    if needed > there:
        largest = max(SIZES, key=lambda name: max(np.ravel(config[name]), default=0))
        raise InputError(
            f"{largest}={shown(config[largest])}: parameters and what the optimizer keeps of them take "
            f"{needed / 2**30:,.0f} GiB, and the device has {there / 2**30:,.0f}"
        )


def assert_fits(program: Any, config: Config, compile_for: Callable[[int], Any], least: int) -> None:
    """Refuse a training program for which there is not enough memory.

    Args:
        program: compiled, for config.batch_size.
        config: reads batch_size and accumulate_steps.
        compile_for: (batch size) -> the program of that size; only called to find what would fit.
        least: the smallest batch, of which others are multiples.

    Raises:
        InputError: naming the batch size, what it needs, what is free, and what would fit.
    """
    free, needed = free_bytes(), needed_bytes(program)
    if free is None or needed <= free:
        return
    told = f"batch_size={config.batch_size}: a training step needs {format_bytes(needed)} of memory, "
    told += f"{format_bytes(free)} are free"
    few = needed_bytes(compile_for(least))
    image = max(1.0, (needed - few) / max(1, config.batch_size - least))
    most = int(least + (free - few) / image) // least * least
    if most < least:
        raise InputError(f"{told}, and {format_bytes(few)} are needed whatever the batch; choices: a smaller model")
    raise InputError(
        f"{told}; choices: batch_size={most} or less, or accumulate_steps={_parts(config, most)} with the same batch"
    )


def _parts(config: Config, most: int) -> int:
    """The fewest parts of the batch, alike, that fit where `most` images do."""
    now = config.accumulate_steps
    parts = range(now, config.batch_size + 1, now)
    return next(n for n in parts if config.batch_size % n == 0 and config.batch_size // n * now <= most)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def _left_by_container() -> int | None:
    """The limit of its control group, version 2 or 1, less what it uses; files that are only cached give way."""
    for folder, limit, usage in ((GROUPS, "memory.max", "memory.current"), (GROUPS / "memory", *VERSION_1)):
        try:
            left = int((folder / limit).read_text()) - int((folder / usage).read_text())
            lines = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
            total = "total_" if limit in VERSION_1 else ""  # with the groups below it
            return left + sum(
                int(size) for name, size in lines if name in (total + "inactive_file", total + "active_file")
            )
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return None


def device_memory() -> int:
    """Bytes of memory of one device; of a CPU, the machine's."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
