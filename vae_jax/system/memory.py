"""Checks that a program fits into memory before it runs: a machine out of memory kills processes without a message."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError, shown
from vae_jax.system.formatting import format_bytes
from vae_jax.types import Config

SIZES = (
    *("latent_dim", "latent_grid", "two_layer.upper_latent_dim", "categorical.classes", "pixelcnn.features"),
    *("hidden_dims", "two_layer.upper_hidden_dims", "channels"),
)
"""The keys that decide the number of parameters."""

GROUPS = Path("/sys/fs/cgroup")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def free_bytes() -> int | None:
    """Return the free memory of one device, or None if unknown; for a CPU, the free memory of machine and container."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return min((size for size in (_available(), _left_by_container()) if size is not None), default=None)


def needed_bytes(program: Any) -> int:
    """Return the memory that a compiled program needs in addition to its arguments."""
    stats = program.memory_analysis()
    return stats.temp_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes


def assert_state_fits(state: Any, config: Config) -> None:
    """Raise InputError, naming the key with the largest value among SIZES, if a state of these shapes exceeds the memory."""
    needed, there = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)), device_memory()
    if needed > there:
        sizes = {name: functools.reduce(getattr, name.split("."), config) for name in SIZES}
        largest = max(SIZES, key=lambda name: max(np.ravel(sizes[name]), default=0))
        raise InputError(
            f"{largest}={shown(sizes[largest])}: parameters and optimizer state need "
            f"{needed / 2**30:,.0f} GiB, but the device has {there / 2**30:,.0f} GiB"
        )


def assert_fits(program: Any, config: Config, compile_for: Callable[[int], Any], least: int) -> None:
    """Raise InputError, naming the batch size, what it needs, what is free and what would fit, if memory is not enough.

    Args:
        program: compiled, for config.batch_size.
        config: reads batch_size and accumulate_steps.
        compile_for: (batch size) -> the program of that size; only called to find what would fit.
        least: the smallest batch, of which others are multiples.
    """
    free, needed = free_bytes(), needed_bytes(program)
    if free is None or needed <= free:
        return
    problem = f"batch_size={config.batch_size}: a training step needs {format_bytes(needed)} of memory, "
    problem += f"{format_bytes(free)} are free"
    few = needed_bytes(compile_for(least))
    image = max(1.0, (needed - few) / max(1, config.batch_size - least))
    most = int(least + (free - few) / image) // least * least
    if most < least:
        raise InputError(f"{problem}, and {format_bytes(few)} are needed with any batch; choices: a smaller model")
    raise InputError(
        f"{problem}; choices: batch_size={most} or less, or accumulate_steps={_parts(config, most)} with the same batch"
    )


def _parts(config: Config, most: int) -> int:
    """Return the smallest number of equal parts of the batch that fit if `most` images fit."""
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
    """Return the limit of the control group (version 2 or 1) minus its usage; cached files do not count as used."""
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
    """Return the memory of one device in bytes; for a CPU, the memory of the machine."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
