"""A request for a measurement: its images, the source of its log weights, and the file of its results."""

import functools
import shlex
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, PRNGKeyArray, UInt8

from vae_jax import data
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_ais, make_split_weights, tune_step_sizes
from vae_jax.evaluation.nll.record import Facts, Record, Source, differing, read
from vae_jax.randomness import keys_of
from vae_jax.runs.run import Run
from vae_jax.types import Config

DEFAULTS = ("test", "best", "importance")
IMAGES_OF_TUNING, CHAINS_OF_TUNING = 32, 16
"""The number of tuning images, all in memory at once, and the largest number of chains per image."""


class Request(NamedTuple):
    """The options of a measurement."""

    samples: int
    """S, the number of importance weights per image."""
    split: str = "test"
    """"test", "val" or "train"."""
    which: str = "best"
    """The checkpoint: "best" or "latest"."""
    images: int = 0
    """The number of images, from the first; 0: all."""
    seed: int = 0
    method: str = "importance"
    """A name of METHODS."""
    temperatures: int = 0
    """The number of temperatures of annealing, whose `samples` are its chains."""


def _importance(run: Run, key: PRNGKeyArray, request: Request) -> Source:
    weights = make_split_weights(run.model, request.samples)
    return lambda piece, first: weights(run.params, key, piece, first)


def _ais(run: Run, key: PRNGKeyArray, request: Request) -> Source:
    key_tune, key_chains = jax.random.split(key)
    tuning = request._replace(split="train" if request.split == "val" else "val", images=0)
    others = images_of(run.config, tuning)[:IMAGES_OF_TUNING]
    chains = make_ais(run.model, request.temperatures, request.samples)

    @functools.cache
    def sizes() -> Float32[np.ndarray, " T"]:
        """Return the step sizes, tuned before the first piece; a finished measurement has no piece and tunes nothing."""
        count = min(request.samples, CHAINS_OF_TUNING)
        return tune_step_sizes(run.model, run.params, key_tune, others, request.temperatures, count)

    return lambda piece, first: chains(run.params, key_chains, piece, sizes(), first)


METHODS: dict[str, Callable[[Run, PRNGKeyArray, Request], Source]] = {"ais": _ais, "importance": _importance}
"""Importance sampling from the run's own posterior, or annealed importance sampling, which needs no encoder; its step sizes
are tuned on images of another split."""


def make_source(run: Run, request: Request) -> Source:
    """Make the source of the log weights of a measurement; image i and its sample s have their own keys.

    Raises:
        InputError: the model has no prior.
    """
    return METHODS[request.method](run, keys_of(request.seed)[2], request)


def images_of(config: Config, request: Request) -> UInt8[np.ndarray, "N H W C"]:
    """Return the requested images. The images of a binarised run, training images too, are binarised by the draw of `split_seed`.

    Raises:
        InputError: the split has fewer images, or the data are not available.
    """
    if config.binarize == "dynamic":  # its training images are grey until a step binarises them
        config = deepcopy(config)
        config.binarize = "static_seeded"
    images = getattr(data.load(config), request.split).images
    if request.images > len(images):
        raise InputError(f"--images={request.images}: the {request.split} split has {len(images)}")
    return images[: request.images or None]


def file_name(request: Request) -> str:
    """Return the name of the file: `nll.npz` for the defaults (see DEFAULTS), else with what differs: `nll_val.npz`."""
    asked = (request.split, request.which, request.method)
    names = [name for name, default in zip(asked, DEFAULTS, strict=True) if name != default]
    return "_".join(["nll", *names]) + ".npz"


def read_other(workdir: Path, name: str, facts: Facts) -> Record:
    """Return another run's record of the same quantity on the same images.

    Args:
        workdir: the other run's directory.
        name: the name of its file.
        facts: the facts of the measurement to compare it with.

    Raises:
        InputError: there is no such record, or it measures another quantity or other images.
    """
    record = read(workdir / name)
    if record is None:
        why = "cannot be read" if (workdir / name).exists() else "is missing"
        asked = zip(
            (facts["split"], facts["which"], facts["method"]), ("split", "which", "method"), DEFAULTS, strict=True
        )
        flags = [f" --{flag}={value}" for value, flag, default in asked if value != default]
        command = f"python -m experiments.nll --workdir={shlex.quote(str(workdir))}{''.join(flags)}"
        raise InputError(f"--against={workdir}: its {name} {why}; {command} writes it")
    changed = differing(record.facts, facts, ("split", "num_images", "quantity"))
    if not changed and record.facts["images_digest"] != facts["images_digest"]:
        # Only if the images differ: a dynamic run is measured on the same draw as a static_seeded one.
        changed = differing(record.facts, facts, ("dataset", "split_seed", "pixels", "images_digest"))
    if changed:
        raise InputError(f"--against={workdir}: its {name} is not of the same images or quantity: {changed}")
    return record
