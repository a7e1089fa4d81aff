"""Residual quantisation: codebooks in a row, each for the distance that the ones before it left (Zeghidour et al. 2021)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count
from vae_jax.models.quantizers import codebook as averages
from vae_jax.models.quantizers.codebook import COMMITMENT, DEAD_BELOW, DECAY, EPS
from vae_jax.models.quantizers.coding import by_codebooks
from vae_jax.models.quantizers.quantizer import Indices, Quantized, Quantizer, Vectors
from vae_jax.models.quantizers.replacement import straight_through
from vae_jax.models.quantizers.vq import rate_of, squared_distance
from vae_jax.types import Config, Params, PerExample

Codebooks = Float[Array, "R K D"]
KEYS = (
    count("residual.levels", 2, "codebooks, each for what the ones before it left of a vector", "levels", 1, 32),
    count("residual.codes", 64, "vectors in each codebook", "codes", 2),
    COMMITMENT,
    DECAY,
    EPS,
    DEAD_BELOW,
)


def make_residual(config: Config) -> Quantizer:
    r"""Make the quantizer that replaces a vector by a sum of `residual.levels` codes, of `residual.codes` vectors each.

    .. math:: \mathrm{code} = \sum_{r=1}^{R} e^{(r)}_{c_r}, \quad
        c_r = \arg\min_k \left\| v - \sum_{s < r} e^{(s)}_{c_s} - e^{(r)}_k \right\|

    The first code is the vector's nearest in the first codebook, the second the nearest to the vector less the first code in
    the second codebook, and so on; with one level it is `vq`. An image with T vectors has T R codes, vector by vector. The
    loss is `vq.commitment` times the sum of all levels' squared distances, nats per image, and each codebook is set by moving
    averages as in `vq`. Gradients pass straight through the whole sum.
    """
    levels, size, own = config.residual.levels, config.residual.codes, config.vq

    def init(key: PRNGKeyArray, vectors: Float[Array, "N D"]) -> Params:
        found, left = [], vectors
        for one in jax.random.split(key, levels):
            found.append(averages.with_averages(averages.start(one, left, size)))
            codebook = found[-1]["codebook"]
            left = left - codebook[averages.nearest(codebook, left[None])[0]] if len(left) else left
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)

    def quantize(params: Params, vectors: Vectors) -> Quantized:
        indices = jnp.stack([one.indices for one in replace(params["codebook"], vectors)], axis=-1)
        indices = indices.reshape(vectors.shape[0], levels * vectors.shape[1])
        codes = sums_of(jax.lax.stop_gradient(params["codebook"]), indices)
        return Quantized(straight_through(vectors, codes), indices)

    def penalty(params: Params, vectors: Vectors, z: Quantized) -> PerExample:
        total = jnp.zeros(vectors.shape[0])
        for r, (left, indices, codes) in enumerate(replace(params["codebook"], vectors)):
            of_level = jax.tree.map(lambda leaf, r=r: leaf[r], params)
            # Its value is that of `left`, and its gradient that of the whole vector.
            distance = squared_distance(straight_through(vectors, left), codes)
            total = total + own.commitment * distance + averages.statistics(of_level, left, indices)
        return total

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> Params:
        def refit_level(key: PRNGKeyArray, params: Params, grads: Params) -> Params:
            after = averages.refit(params, grads, rate_of(step, own.decay), own.eps)
            return averages.split_most_used(key, after, own.dead_below)

        return jax.vmap(refit_level)(jax.random.split(key, levels), params, grads)

    return Quantizer(
        width=config.latent_dim,
        num_codes=size,
        levels=levels,
        init=init,
        quantize=quantize,
        vectors=lambda params, indices: sums_of(params["codebook"], indices),
        coding=lambda params, places: by_codebooks(params["codebook"], places),
        penalty=penalty,
        refit=refit,
        remedy=averages.remedy(config),
        traits=frozenset({"sample"}),
    )


class Replaced(NamedTuple):
    """The vectors that one level replaces, and their codes."""

    left: Vectors
    indices: Indices
    codes: Vectors


def replace(codebooks: Codebooks, vectors: Vectors) -> list[Replaced]:
    """Return what each level replaces, without gradients."""
    codebooks, left = jax.lax.stop_gradient((codebooks, vectors))
    found = []
    for codebook in codebooks:
        indices = averages.nearest(codebook, left)
        found.append(Replaced(left, indices, codebook[indices]))
        left = left - codebook[indices]
    return found


def sums_of(codebooks: Codebooks, indices: Indices) -> Vectors:
    """Return the sum of the codes of each vector."""
    levels = len(codebooks)
    by_level = indices.reshape(indices.shape[0], -1, levels)
    total = codebooks[0][by_level[..., 0]]
    for r in range(1, levels):
        total = total + codebooks[r][by_level[..., r]]
    return total
