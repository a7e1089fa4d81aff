"""Strict JAX for every test: two fake CPU devices, no silent broadcasting, shapes and types checked at every call."""

import gc
import os
import shutil
import sys
import tempfile
from importlib import metadata

if "PYTEST_XDIST_WORKER" not in os.environ:
    # Programs that one test or subprocess compiled are reused by all others; workers inherit the variables.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="vae_jax-tests-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    # Slow tests, run with -m, compile as users do: only with fusion emitters do streamed and resident images give the same bits.
    if not any(word.startswith("-m") for word in sys.argv[1:]):
        # The fast tests take 0.93 of the time if a program is compiled in one part and not in up to 32 at once.
        fast = " --xla_cpu_parallel_codegen_split_count=1"
        if metadata.version("jaxlib") < "0.11":  # Compiling takes 0.6 of the time; later versions have no such flag.
            fast += " --xla_cpu_use_fusion_emitters=false"
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + fast
# Compiling takes most of the tests' time, and half of that goes into making tiny programs fast.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")  # what a program was traced from; no test reads it

import jaxtyping
import support.typechecking  # noqa: F401 - pytest finds the hook by its name

jaxtyping.install_import_hook("vae_jax", "support.typechecking.checked")

import jax
import pytest
from ml_collections import ConfigDict

from vae_jax import config as config_lib

jax.config.update("jax_numpy_rank_promotion", "raise")

TINY = {"hidden_dims": (16,), "latent_dim": 3, "batch_size": 64, "num_epochs": 3}


def small_config(**changes) -> ConfigDict:
    """Return a config on the digits that trains in a second, with `changes`; `__` stands for a dot in a key."""
    flat = config_lib.flatten(config_lib.defaults()) | TINY
    flat |= {name.replace("__", "."): value for name, value in changes.items()}
    return config_lib.without_unread(config_lib.nest(flat), keep=flat.keys() - TINY.keys())[0]


def pytest_collection_finish():
    """Leave the modules that all tests share out of the search for garbage, and search less often: 0.07 of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


def pytest_unconfigure():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def make_config():
    return small_config


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
