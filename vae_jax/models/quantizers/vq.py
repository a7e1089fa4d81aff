"""Vector quantisation with a codebook (van den Oord et al. 2017, eq. 1 to 3 and appendix A.1)."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count, text
from vae_jax.models.networks import Layer
from vae_jax.models.quantizers import codebook as averages
from vae_jax.models.quantizers.codebook import COMMITMENT, DEAD_BELOW, DECAY, EPS
from vae_jax.models.quantizers.coding import Coding, by_codebooks
from vae_jax.models.quantizers.quantizer import Quantized, Quantizer, Vectors
from vae_jax.models.quantizers.replacement import rotated, straight_through, unit
from vae_jax.types import Config, Params, PerExample

KEYS = (
    count("vq.codes", 64, "vectors in the codebook", "codes", 2),
    text("vq.codebook", "ema", "rule that sets the codebook: moving averages, or the optimizer", "ema", "gradient"),
    text(
        "vq.distance", "euclidean", "distance to a code; cosine: vectors and codes have length 1", "euclidean", "cosine"
    ),
    text(
        "vq.gradient",
        "straight_through",
        "gradient for the encoder's vector: the code's own, or turned by the angle between them",
        "straight_through",
        "rotation",
    ),
    COMMITMENT,
    DECAY,
    EPS,
    DEAD_BELOW,
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of keys that only moving averages read, and of vectors without a direction."""
    found = []
    if flat["vq.codebook"] == "gradient":
        unread = [key.name for key in (DECAY, EPS, DEAD_BELOW) if flat[key.name] != key.default]
        found = [f"{name}={flat[name]:g}: only vq.codebook=ema reads this key" for name in unread]
    if flat["latent_dim"] == 1:
        for name in ("vq.distance=cosine", "vq.gradient=rotation"):
            key, value = name.split("=")
            if flat[key] == value:
                found.append(f"{name}: a vector of one number has no angles; choices: latent_dim of 2 or more")
    return found


def make_vq(config: Config) -> Quantizer:
    r"""Make the quantizer that replaces a vector by the nearest of `vq.codes` vectors of `latent_dim` numbers, the codebook.

    .. math:: c = \arg\min_k \| v - e_k \|, \quad \mathrm{loss} = \beta \| v - \mathrm{sg}(e_c) \|^2

    Its loss is `vq.commitment` * sum |vector - code|^2, nats per image: a sum over the image's vectors and their numbers,
    like the reconstruction. (Sonnet's 0.25 multiplies a mean, beside a mean error over the variance of the data.)

    With `vq.codebook=ema` the codebook is the mean of the vectors that each code replaced, over the last 1 / (1 - `vq.decay`)
    steps, with Laplace smoothing by `vq.eps`; see `codebook.refit`. With `vq.codebook=gradient` the optimizer sets it, and
    sum |vector - code|^2 as a function of the code is added to the loss (eq. 3); weight decay does not shrink it, and no dead
    code is moved. It starts at vectors of training images.

    With `vq.distance=cosine` vectors and codes are divided by their lengths first (Yu et al. 2022); the decoder gets codes of
    length 1. `vq.gradient` is that of `replacement`.
    """
    size, width, own = config.vq.codes, config.latent_dim, config.vq
    learned = own.codebook == "gradient"
    replaced = rotated if own.gradient == "rotation" else straight_through

    def placed(vectors: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        return unit(vectors) if own.distance == "cosine" else vectors

    def init(key: PRNGKeyArray, vectors: Float[Array, "N D"]) -> Params:
        codebook = averages.start(key, placed(vectors), size)
        return {"codebook": codebook} if learned else averages.with_averages(codebook)

    def quantize(params: Params, vectors: Vectors) -> Quantized:
        vectors, codebook = placed(vectors), jax.lax.stop_gradient(placed(params["codebook"]))
        indices = averages.nearest(codebook, jax.lax.stop_gradient(vectors))
        return Quantized(replaced(vectors, codebook[indices]), indices)

    def penalty(params: Params, vectors: Vectors, z: Quantized) -> PerExample:
        vectors, codes = placed(vectors), placed(params["codebook"])[z.indices]
        found = own.commitment * squared_distance(vectors, jax.lax.stop_gradient(codes))
        if learned:
            return found + squared_distance(jax.lax.stop_gradient(vectors), codes)
        return found + averages.statistics(params, jax.lax.stop_gradient(vectors), z.indices)

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> Params:
        after = averages.refit(params, grads, rate_of(step, own.decay), own.eps)
        return averages.split_most_used(key, after, own.dead_below)

    def coding(params: Params, places: tuple[int, int]) -> Coding:
        found = by_codebooks(placed(jnp.asarray(params["codebook"]))[None], places)
        lengths = [Layer("unit", (*places, width))] if own.distance == "cosine" else []
        return found._replace(encoder=[*lengths, *found.encoder])

    return Quantizer(
        width=width,
        num_codes=size,
        init=init,
        quantize=quantize,
        vectors=lambda params, indices: placed(params["codebook"])[indices],
        coding=coding,
        penalty=penalty,
        refit=None if learned else refit,
        remedy="vq.codebook=ema (splits codes in use), a smaller learning_rate" if learned else averages.remedy(config),
        traits=frozenset({"sample"}),
    )


def squared_distance(vectors: Vectors, codes: Vectors) -> PerExample:
    """Return sum |vector - code|^2 over the vectors of each image."""
    return jnp.square(vectors - codes).sum(axis=(1, 2))


def rate_of(step: Int32[Array, ""], decay: float) -> Float[Array, ""]:
    """Return the weight of a step's batch in moving averages: 1 - decay, or 1/t at an early step t."""
    return jnp.maximum(1 / (step + 1), 1 - decay)
