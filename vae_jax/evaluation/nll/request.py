"""A requested measurement of a run: its images, the source of its log weights, and the facts that identify it."""

import functools
import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float32, Int32, PRNGKeyArray, UInt8

from vae_jax.data.digest import images_digest, params_digest
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_ais, make_split_weights, tune_step_sizes
from vae_jax.evaluation.nll.images import Labels, Request, split_of
from vae_jax.evaluation.nll.record import GIVEN, Facts, Record, Source, differing, read
from vae_jax.evaluation.nll.summary import standard_error
from vae_jax.models import family_name, require_euclidean
from vae_jax.randomness import keys_of
from vae_jax.runs.pair import PAIR
from vae_jax.runs.run import Run

DEFAULTS = ("test", "best", "importance")
IMAGES_OF_TUNING, CHAINS_OF_TUNING = 32, 16
"""The images on which step sizes are tuned, and the most chains per image; all are in memory at once."""


def _importance(run: Run, key: PRNGKeyArray, request: Request, labels: Labels) -> Source:
    weights = make_split_weights(run.model, request.samples)
    return lambda piece, first: weights(run.params, key, piece, first, *_of_piece(labels, piece, first))


def _ais(run: Run, key: PRNGKeyArray, request: Request, labels: Labels) -> Source:
    key_tune, key_chains = jax.random.split(key)
    tuning = request._replace(split="train" if request.split == "val" else "val", images=0)
    others, *classes = (part[:IMAGES_OF_TUNING] for part in split_of(run, tuning) if part is not None)
    chains = make_ais(run.model, request.temperatures, request.samples)

    @functools.cache
    def sizes() -> Float32[np.ndarray, " T"]:
        """Tune when the first piece is measured; a finished measurement needs no tuning."""
        count = min(request.samples, CHAINS_OF_TUNING)
        return tune_step_sizes(
            run.model, run.params, key_tune, others, request.temperatures, count, classes[0] if classes else None
        )

    return lambda piece, first: chains(run.params, key_chains, piece, sizes(), first, *_of_piece(labels, piece, first))


def _of_piece(labels: Labels, piece: np.ndarray, first: int) -> list[Int32[np.ndarray, " n"]]:
    """Return [the labels of a piece of the images], or [] if there are none."""
    return [] if labels is None else [labels[first : first + len(piece)]]


METHODS: dict[str, Callable[[Run, PRNGKeyArray, Request, Labels], Source]] = {"ais": _ais, "importance": _importance}
"""Importance sampling from the run's own posterior, or annealed importance sampling, which needs no encoder and tunes its step
sizes on images of another split."""


def assert_measurable(run: Run, method: str) -> None:
    """Raise InputError if `method` cannot say more of this model than its elbo, or needs continuous z."""
    if "deterministic" in run.model.traits:
        raise InputError(
            f"model={run.config.model}: has one z for each image, so every importance weight is the elbo, the bound that "
            "vae-jax evaluate prints; choices: another model"
        )
    if method == "ais":
        require_euclidean(run.model, "and --method=ais needs gradients for z", family_name(run.config))


def make_source(run: Run, request: Request, labels: Labels = None) -> Source:
    """Make the source of a measurement's log weights; each sample of each image has its own key.

    `labels` are those of all requested images, for a conditional run.
    """
    return METHODS[request.method](run, keys_of(request.seed)[2], request, labels)


def facts_of(run: Run, request: Request, images: UInt8[np.ndarray, "N H W C"], labels: Labels = None) -> Facts:
    """Return the facts of a measurement: all that determines its numbers, and names for readers."""
    return {
        **{name: getattr(request, name) for name in ("method", "samples", "temperatures", "seed", "split", "which")},
        "num_images": len(images),
        "step": run.step,
        "params_digest": params_digest(run.params),
        "images_digest": images_digest(images),
        **({} if labels is None else {"labels_digest": hashlib.sha256(labels.tobytes()).hexdigest()[:16]}),
        **kind_of(run),
        "dataset": run.config.dataset,
        "split_seed": run.config.split_seed,
        "num_elements": int(np.prod(run.shape)),
        **({"prior": "learned afterwards"} if PAIR in run.model.traits else {}),
        **(_kl(run, images, labels) if run.draws_pixels else {}),
    }


def _kl(run: Run, images: UInt8[np.ndarray, "N H W C"], labels: Labels) -> Facts:
    """Return the mean KL(q(z|x) || p(z)) over images and its standard error: an autoregressive decoder can do without z."""
    kl = run.kl_terms(images, labels).sum(axis=1, dtype=np.float64)
    name = f"kl{GIVEN if run.model.given is not None else ''}"
    return {name: float(kl.mean()), f"{name}_error": standard_error(kl)}


def kind_of(run: Run) -> Facts:
    """Return the kind of a run's bound on log p(x): `quantity`, `pixels`, `likelihood`."""
    config = run.config
    pixels = kind_of_pixels(config.binarize, run.shape[2])
    return {"quantity": _quantity(run), "pixels": pixels, "likelihood": config.likelihood}


def file_name(request: Request) -> str:
    """Return `nll.npz` for the best checkpoint on the test split by importance sampling, else a name such as `nll_val.npz`."""
    chosen = (request.split, request.which, request.method)
    names = [name for name, default in zip(chosen, DEFAULTS, strict=True) if name != default]
    return "_".join(["nll", *names]) + ".npz"


def read_other(workdir: Path, name: str, facts: Facts) -> Record:
    """Read another run's record of the same quantity on the same images.

    Args:
        workdir: the other run's directory.
        name: the name of the record's file.
        facts: the facts of the measurement to compare it with.

    Raises:
        InputError: the record is missing, or measures something else.
    """
    if not workdir.is_dir():
        raise InputError(f"--against={workdir}: no such folder")
    record = read(workdir / name)
    if record is None:
        why = "cannot be read" if (workdir / name).exists() else "is missing"
        chosen = zip(
            (facts["split"], facts["which"], facts["method"]), ("split", "which", "method"), DEFAULTS, strict=True
        )
        flags = [f" --{flag}={value}" for value, flag, default in chosen if value != default]
        command = f"vae-jax nll --workdir={shlex.quote(str(workdir))}{''.join(flags)}"
        raise InputError(f"--against={workdir}: its {name} {why}; {command} writes it")
    changed = differing(record.facts, facts, ("split", "num_images", "quantity", "labels_digest"))
    if not changed and record.facts["images_digest"] != facts["images_digest"]:
        # Equal digests suffice: a dynamic run is measured on the same draw as a static_seeded one.
        changed = differing(record.facts, facts, ("dataset", "split_seed", "pixels", "images_digest"))
    if changed:
        raise InputError(f"--against={workdir}: its {name} is not of the same images or quantity: {changed}")
    return record


def _quantity(run: Run) -> str:
    """Return `nll` for discrete pixels, `grey_bound` for a Bernoulli likelihood of grey pixels, else `log_density_bound`.

    For a conditional run the name ends with GIVEN: it is another quantity, on log p(x|y).
    """
    given = GIVEN if run.model.given is not None else ""
    if run.model.likelihood.discrete:
        return "nll" + given
    return ("grey_bound" if run.config.likelihood == "bernoulli" else "log_density_bound") + given
