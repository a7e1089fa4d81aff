"""A run and what is asked of it made into a measurement: which images, where the log weights come from, what they are of."""

import functools
import hashlib
import shlex
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, PRNGKeyArray, UInt8

from vae_jax import data
from vae_jax.data.digest import images_digest
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_ais, make_split_weights, tune_step_sizes
from vae_jax.evaluation.nll.record import Facts, Record, Source, differing, read
from vae_jax.models.likelihoods import make_likelihood
from vae_jax.randomness import keys_of
from vae_jax.runs.run import Run
from vae_jax.types import Config, Params

DEFAULTS = ("test", "best", "importance")
IMAGES_OF_TUNING, CHAINS_OF_TUNING = 32, 16
"""All in memory at once; of chains at most so many an image."""


class Request(NamedTuple):
    """What a person asks for."""

    samples: int
    """S, importance weights of an image."""
    split: str = "test"
    """Or "val", "train"."""
    which: str = "best"
    """Which checkpoint: "best", "latest"."""
    images: int = 0
    """The first so many; 0: all."""
    seed: int = 0
    method: str = "importance"
    """A name of METHODS."""
    temperatures: int = 0
    """Of annealing; samples are its chains."""


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
        """Not before the first piece: of a measurement that is finished there is none."""
        count = min(request.samples, CHAINS_OF_TUNING)
        return tune_step_sizes(run.model, run.params, key_tune, others, request.temperatures, count)

    return lambda piece, first: chains(run.params, key_chains, piece, sizes(), first)


METHODS: dict[str, Callable[[Run, PRNGKeyArray, Request], Source]] = {"ais": _ais, "importance": _importance}
"""Importance sampling from the run's own posterior, or annealed importance sampling, which needs no encoder: its step sizes
are tuned on images of another split."""


def make_source(run: Run, request: Request) -> Source:
    """Where the log weights of a measurement come from; image i and its sample s have keys of their own.

    Raises:
        InputError: the model has no prior.
    """
    return METHODS[request.method](run, keys_of(request.seed)[2], request)


def images_of(config: Config, request: Request) -> UInt8[np.ndarray, "N H W C"]:
    """The images that are asked for. Those of a binarised run are binarised, in training too: by the draw of `split_seed`.

    Raises:
        InputError: fewer images than that, or the data cannot be had.
    """
    if config.binarize == "dynamic":  # whose training images are grey until a step draws them
        config = deepcopy(config)
        config.binarize = "static_seeded"
    images = getattr(data.load(config), request.split).images
    if request.images > len(images):
        raise InputError(f"--images={request.images}: the {request.split} split has {len(images)}")
    return images[: request.images or None]


def check_prior(run: Run) -> None:
    """Refuse a model whose images have no log p(x).

    Raises:
        InputError: it has no prior.
    """
    if run.model.log_prior is None:
        raise InputError(
            f"model={run.config.model}: has no prior, so its images have no log p(x); choices: a variational model, as vae"
        )


def facts_of(run: Run, request: Request, images: UInt8[np.ndarray, "N H W C"]) -> Facts:
    """What a measurement is of: all that decides its numbers, and names for its readers."""
    return {
        **{name: getattr(request, name) for name in ("method", "samples", "temperatures", "seed", "split", "which")},
        "num_images": len(images),
        "step": run.step,
        "params_digest": _digest_of_params(run.params),
        "images_digest": images_digest(images),
        **kind_of(run),
        "dataset": run.config.dataset,
        "split_seed": run.config.split_seed,
        "num_elements": int(np.prod(run.shape)),
    }


def kind_of(run: Run) -> Facts:
    """What a bound on log p(x) is of: `quantity`, `pixels`, `likelihood`."""
    config = run.config
    pixels = kind_of_pixels(config.binarize, run.shape[2])
    return {"quantity": _quantity(config), "pixels": pixels, "likelihood": config.likelihood}


def file_name(request: Request) -> str:
    """`nll.npz` for the best checkpoint on the test split by importance sampling; others have their own: `nll_val.npz`."""
    asked = (request.split, request.which, request.method)
    names = [name for name, default in zip(asked, DEFAULTS, strict=True) if name != default]
    return "_".join(["nll", *names]) + ".npz"


def read_other(workdir: Path, name: str, facts: Facts) -> Record:
    """Another run's record, if it is of the same quantity on the same images.

    Args:
        workdir: the other run's directory.
        name: of its file.
        facts: of the measurement that it will be compared with.

    Raises:
        InputError: there is no such record, or it is of something else.
    """
    record = read(workdir / name)
    if record is None:
        why = "cannot be read" if (workdir / name).exists() else "is not there"
        asked = zip(
            (facts["split"], facts["which"], facts["method"]), ("split", "which", "method"), DEFAULTS, strict=True
        )
        flags = [f" --{flag}={value}" for value, flag, default in asked if value != default]
        command = f"python -m experiments.nll --workdir={shlex.quote(str(workdir))}{''.join(flags)}"
        raise InputError(f"--against={workdir}: its {name} {why}; {command} writes it")
    changed = differing(record.facts, facts, ("split", "num_images", "quantity"))
    if not changed and record.facts["images_digest"] != facts["images_digest"]:
        # Only then: a dynamic run is measured on the same draw as a static_seeded one.
        changed = differing(record.facts, facts, ("dataset", "split_seed", "pixels", "images_digest"))
    if changed:
        raise InputError(f"--against={workdir}: its {name} is not of the same images or quantity: {changed}")
    return record


def _quantity(config: Config) -> str:
    """What log p(x) is of: an `nll` of discrete pixels, a `log_density_bound`, or a Bernoulli likelihood's `grey_bound`."""
    if make_likelihood(config).discrete:
        return "nll"
    return "grey_bound" if config.likelihood == "bernoulli" else "log_density_bound"


def _digest_of_params(params: Params) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]
