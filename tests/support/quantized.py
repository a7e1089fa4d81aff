"""Runs of models with discrete codes, with random parameters and codebooks that use them, and the test digits."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from conftest import small_config

from support.random_run import random_run
from support.slow import fast_if
from vae_jax import data
from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.data.preprocess import unit
from vae_jax.models.conditional import LABEL, make_conditional
from vae_jax.runs.pair import PAIR
from vae_jax.runs.run import Run
from vae_jax.types import Params

CONV = {"model": "quantized", "network": "conv", "channels": (6, 5)}
QUANTIZED: dict[str, dict[str, Any]] = {
    "vq": CONV | {"vq.codes": 16},
    "cosine": CONV | {"vq.codes": 16, "vq.distance": "cosine"},
    "fsq": CONV | {"quantizer": "fsq", "fsq.levels": (5, 4, 2)},
    "lfq": CONV | {"quantizer": "lfq", "lfq.bits": 5},
    "residual": CONV | {"quantizer": "residual", "residual.codes": 7, "residual.levels": 3},
    "mlp": {"model": "quantized", "quantizer": "residual", "residual.codes": 9},
    "resnet": CONV | {"network": "resnet", "channels": (8,)},
    "categorical": {"model": "categorical", "categorical.classes": 4},
}
"""Name -> changes of the tests' small config."""
NAMES = fast_if(QUANTIZED, lambda name: name in ("fsq", "residual"))
"""The names as parameters of a test, all but two marked slow."""


@cache
def of_digits(name: str) -> tuple[Run, np.ndarray]:
    """Return a run whose codebooks are vectors of digits, and all test digits, f32[N,8,8,1]."""
    run = random_run((8, 8, 1), **QUANTIZED[name])
    images = unit(data.load(small_config()).test.images)
    _centre(run, images)
    if "codebook" in run.params.get("quantizer", {}):
        _place(run, images)
    return run, images


@cache
def codes_of_digits(name: str) -> np.ndarray:
    """Return the codes [N, T] of all test digits."""
    return codes_of(*of_digits(name), None)


def of_classes() -> Run:
    """Return a run whose prior was learned and is given one of three classes: each code of a draw is the class."""
    run, _ = of_digits("vq")
    assert run.model.prior is not None

    def sample(params: Params, key: jax.Array, n: int, temperature: float = 1.0) -> Any:
        assert run.model.from_codes is not None
        return run.model.from_codes(params, jnp.broadcast_to(params[LABEL][:, None], (n, 4)))

    prior, traits = run.model.prior._replace(sample=sample), run.model.traits | {PAIR}
    model = make_conditional(run.model._replace(prior=prior, traits=traits))
    return Run(run.config, model, run.params, run.spec._replace(num_classes=3, class_names=("a", "b", "c")), 1)


def _centre(run: Run, images: np.ndarray) -> None:
    """Give the encoder's vectors mean 0 and deviation 1 over images, so that many codes are used."""
    output, (vectors,) = run.params["encoder"]["output"], run.encode(images[:100])
    rows = np.asarray(vectors).reshape(-1, len(output["bias"]))
    deviation = rows.std(axis=0)
    output["kernel"] = output["kernel"] / deviation
    output["bias"] = (output["bias"] - rows.mean(axis=0)) / deviation


def _place(run: Run, images: np.ndarray) -> None:
    """Put the codes of the first codebook at vectors of images, and those of others around 0, a tenth as far away."""
    own, rng = run.params["quantizer"], np.random.default_rng(2)
    vectors = np.asarray(run.encode(images[:100]).vectors).reshape(-1, own["codebook"].shape[-1])
    shape = own["codebook"].shape
    codebooks = own["codebook"].reshape(-1, *shape[-2:]).copy()
    codebooks[0] = vectors[rng.choice(len(vectors), shape[-2], replace=False)]
    codebooks[1:] = 0.3 * vectors.std() * rng.normal(size=codebooks[1:].shape)
    own["codebook"] = codebooks.reshape(shape)
