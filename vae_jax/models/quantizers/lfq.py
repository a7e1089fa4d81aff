"""Lookup-free quantisation: the codes are the signs of a vector's numbers (Yu et al. 2023)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count, real
from vae_jax.models.quantizers.coding import by_levels
from vae_jax.models.quantizers.quantizer import MOST_CODES, Indices, Quantized, Quantizer, Vectors
from vae_jax.models.quantizers.replacement import straight_through
from vae_jax.models.quantizers.vq import rate_of, squared_distance
from vae_jax.types import Config, Params, PerExample

KEYS = (
    count("lfq.bits", 6, "numbers of a vector, each of which becomes its sign", "bits", 1, MOST_CODES.bit_length() - 1),
    real("lfq.entropy", 0.1, "weight of the entropies of the soft codes, summed over an image"),
    real("lfq.diversity", 1.0, "weight of the entropy of all codes together, beside that of each vector's code"),
    real(
        "lfq.temperature",
        1.0,
        "squared distance from a code that makes it less probable by a factor of e",
        open_low=True,
    ),
    real("lfq.decay", 0.9, "decay at each step of the average law of the codes", high=0.99999999),
    real(
        "lfq.commitment",
        0.02,
        "loss for each unit of squared distance from the encoder's vectors to their codes, summed over an image",
        "nats",
    ),
)
UNIFORM = 1e-3
"""The share of a uniform law in the average law, so that an unused code draws a vector to itself with a finite force."""

Law = Float[Array, "B T C"]


def make_lfq(config: Config) -> Quantizer:
    r"""Make the quantizer that replaces each of the `lfq.bits` numbers of a vector by its sign, 1 or -1.

    .. math:: \mathrm{code}_d = \mathrm{sign}(v_d) \in \{-1, 1\}, \quad K = 2^D

    The soft code of a vector v is the law p over all K codes c in which p(c) is proportional to
    exp(-|v - c|^2 / `lfq.temperature`). Its numbers are independent, so its entropy H(p) is a sum of binary entropies. The loss
    makes each soft code certain, and all of them together diverse, nats per image:

        `lfq.entropy` * sum over the image's vectors of [H(p) - `lfq.diversity` * H(p, a)] + `lfq.commitment` * sum |v - code|^2

    H(p, a) = -sum p log a is a cross-entropy, and a the average of p over the last 1 / (1 - `lfq.decay`) steps. In the paper
    the second term is the entropy of the batch's mean of p, which couples the images of a batch. If a is that mean, the
    values and the gradients are the same: the mean of H(p, a) is H(a), and the gradient of an entropy is that of the
    cross-entropy from a constant a. Here an image's loss depends on no other image, so parts of a batch and devices give the
    sums of the whole batch, and an average over several batches can use more codes than one batch has vectors. With
    `lfq.diversity` = 1 the bracket is -KL(p || a). It is exact for any number of bits: laws over half of the bits are
    multiplied as matrices.

    The usual commitment of 0.25 multiplies a mean, beside a mean error. A sum so weighted is so strong that the first signs
    never change.
    """
    bits, own = config.lfq.bits, config.lfq

    def init(key: PRNGKeyArray, vectors: Float[Array, "N D"]) -> Params:
        return {"average": jnp.full(2**bits, 2.0**-bits)}

    def quantize(params: Params, vectors: Vectors) -> Quantized:
        indices = index_of(vectors)
        return Quantized(straight_through(vectors, code_of(indices, bits)), indices)

    def penalty(params: Params, vectors: Vectors, z: Quantized) -> PerExample:
        commitment = own.commitment * squared_distance(vectors, code_of(z.indices, bits))
        logits = 4 * vectors / own.temperature  # |v + 1|^2 - |v - 1|^2 = 4 v
        average = jax.lax.stop_gradient(params["average"])
        log_average = jnp.log((1 - UNIFORM) * average + UNIFORM / len(average))
        entropies = binary_entropy(logits).sum(axis=(1, 2)) + own.diversity * expectation(logits, log_average)
        # It is 0, and its gradient for the average is the mean of the laws over the image's vectors.
        statistics = expectation(jax.lax.stop_gradient(logits), params["average"] - average) / vectors.shape[1]
        return commitment + own.entropy * entropies + statistics

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> Params:
        return {"average": params["average"] + rate_of(step, own.decay) * (grads["average"] - params["average"])}

    return Quantizer(
        width=bits,
        num_codes=2**bits,
        init=init,
        quantize=quantize,
        vectors=lambda params, indices: code_of(indices, bits),
        coding=lambda params, places: by_levels("signs", (2,) * bits, places),
        penalty=penalty,
        refit=refit,
    )


def index_of(vectors: Vectors) -> Indices:
    """Return the index of the signs of each vector: bit d is 1 if number d is above 0."""
    bits = (vectors > 0).astype(jnp.int32)
    return (bits << jnp.arange(vectors.shape[-1], dtype=jnp.int32)[None, None]).sum(axis=-1)


def code_of(indices: Indices, bits: int) -> Vectors:
    """Return the signs of each index."""
    found = (indices[..., None] >> jnp.arange(bits, dtype=jnp.int32)[None, None]) & 1
    return 2.0 * found - 1


def binary_entropy(logits: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Return the entropy of a binary variable that is 1 with the probability sigmoid(logit), nats."""
    return jax.nn.softplus(logits) - logits * jax.nn.sigmoid(logits)


def law(logits: Float[Array, "B T D"]) -> Law:
    """Return the probabilities [B, T, 2^D] of all codes of D independent bits, by index."""
    found = jnp.ones((*logits.shape[:-1], 1), logits.dtype)
    for d in range(logits.shape[-1]):
        found = jnp.concatenate([found * jax.nn.sigmoid(s * logits[..., d : d + 1]) for s in (-1, 1)], axis=-1)
    return found


def expectation(logits: Float[Array, "B T D"], values: Float[Array, " K"]) -> PerExample:
    """Return the sum over the image's vectors of the expectation of values[code] under each one's law."""
    half = logits.shape[-1] // 2
    low, high = law(logits[..., :half]), law(logits[..., half:])
    table = values.reshape(high.shape[-1], low.shape[-1])
    return (jnp.matmul(high, table, precision=jax.lax.Precision.HIGHEST) * low).sum(axis=(1, 2))
