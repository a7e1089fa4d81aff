"""The facts that identify a measurement: those that decide its numbers, and others for its readers."""

import hashlib

import jax
import numpy as np
from jaxtyping import UInt8

from vae_jax.data.digest import images_digest
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.evaluation.nll.record import Facts
from vae_jax.evaluation.nll.request import Request
from vae_jax.models.likelihoods import make_likelihood
from vae_jax.runs.run import Run
from vae_jax.types import Config, Params


def facts_of(run: Run, request: Request, images: UInt8[np.ndarray, "N H W C"]) -> Facts:
    """Return the facts of a measurement: everything that decides its numbers, and names for its readers."""
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
    """Return the kind of a bound on log p(x): `quantity`, `pixels`, `likelihood`."""
    config = run.config
    pixels = kind_of_pixels(config.binarize, run.shape[2])
    return {"quantity": _quantity(config), "pixels": pixels, "likelihood": config.likelihood}


def _quantity(config: Config) -> str:
    """Return the name of log p(x): `nll` for discrete pixels, `log_density_bound`, or `grey_bound` for a Bernoulli likelihood."""
    if make_likelihood(config).discrete:
        return "nll"
    return "grey_bound" if config.likelihood == "bernoulli" else "log_density_bound"


def _digest_of_params(params: Params) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]
