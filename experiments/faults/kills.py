"""Kill a run at random moments, continue it each time, and compare what comes out with a run that nobody touched."""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.faults.compare import State, digest, differences, last_saved, state_of
from vae_jax.writer import read_metrics

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--config=configs/vae.py",
    "--config.num_epochs=30",
    "--config.hidden_dims=32",
    "--config.latent_dim=4",
    "--config.batch_size=32",
    "--config.dropout=0.2",
    "--config.binarize=dynamic",
    "--config.steps_per_dispatch=15",
    "--config.checkpoint.every_epochs=2",
)
"""A run of seconds with noise of every kind, several dispatches an epoch, and epochs that are logged but not saved."""
IN_SAVE = 4
"""One in so many kills waits for a save to begin."""
SECONDS = 600
"""A run that takes longer hangs."""


class Drill(NamedTuple):
    """What was done, and what came of it."""

    kills: int
    in_saves: int
    runs: int
    survived: int
    """Kills whose run ended with the bits of the untouched one."""
    lost_rows: int
    """At most so many logged epochs had to be trained again after a kill."""
    problems: list[str]


def environment(cache: Path | None = None) -> dict[str, str]:
    """For a run on one device; with a cache folder of its own, since a kill may leave half a file there too."""
    own = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1", "JAX_PLATFORMS": "cpu"}
    return os.environ | own | ({} if cache is None else {"XDG_CACHE_HOME": str(cache)})
