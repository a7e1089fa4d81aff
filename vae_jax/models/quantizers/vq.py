"""Vector quantisation with a codebook that moving averages set (van den Oord et al. 2017, eq. 1 to 3 and appendix A.1)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count, real
from vae_jax.models.quantizers.quantizer import Indices, Quantized, Quantizer, Vectors
from vae_jax.types import Config, Params, PerExample

Codebook = Float[Array, "K D"]
KEYS = (
    count("vq.codes", 64, "vectors in the codebook", "codes", 2),
    real("vq.decay", 0.99, "decay at each step of the moving averages that set the codebook", high=0.99999999),
    real("vq.eps", 1e-5, "count that is added to each code's (Laplace smoothing)", "codes per image"),
    real(
        "vq.commitment",
        0.25,
        "loss for each unit of squared distance from the encoder's vectors to their codes, summed over an image",
        "nats",
    ),
    real(
        "vq.dead_below",
        0.03,
        "share of the mean use below which a code is moved beside one of the most used; 0: never",
        high=0.5,
    ),
)
NUDGE = 0.01
"""The distance in each dimension between the two halves of a code that is split, in standard deviations of the codebook."""


def make_vq(config: Config) -> Quantizer:
    """Make the quantizer that replaces a vector by the nearest of `vq.codes` vectors of `latent_dim` numbers, the codebook.

    Its loss is `vq.commitment` * sum |vector - code|^2, nats per image: a sum over the image's vectors and their numbers,
    like the reconstruction. (Sonnet's 0.25 multiplies a mean, beside a mean error over the variance of the data.)

    The codebook is the mean of the vectors that each code replaced, over the last 1 / (1 - `vq.decay`) steps, with Laplace
    smoothing by `vq.eps`; see `refit`. It starts at vectors of training images.
    """
    size, width, own = config.vq.codes, config.latent_dim, config.vq

    def init(key: PRNGKeyArray, vectors: Float[Array, "N D"]) -> Params:
        if len(vectors):
            codebook = vectors[jax.random.choice(key, len(vectors), (size,), replace=len(vectors) < size)]
        else:
            codebook = jax.random.normal(key, (size, width))
        return {"codebook": codebook, "counts": jnp.zeros(size), "sums": jnp.zeros((size, width))}

    def quantize(params: Params, vectors: Vectors) -> Quantized:
        indices = nearest(*jax.lax.stop_gradient((params["codebook"], vectors)))
        code = jax.lax.stop_gradient(params["codebook"])[indices]
        # The difference is 0, and not vectors + (code - vectors): the sum is the code to the last bit.
        return Quantized(code + (vectors - jax.lax.stop_gradient(vectors)), indices)

    def penalty(params: Params, vectors: Vectors, z: Quantized) -> PerExample:
        code = jax.lax.stop_gradient(params["codebook"])[z.indices]
        commitment = own.commitment * jnp.square(vectors - code).sum(axis=(1, 2))
        return commitment + statistics(params, jax.lax.stop_gradient(vectors), z.indices)

    def refit_own(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> Params:
        rate = jnp.maximum(1 / (step + 1), 1 - own.decay)
        return split_most_used(key, refit(params, grads, rate, own.eps), own.dead_below)

    return Quantizer(
        width=width,
        num_codes=size,
        init=init,
        quantize=quantize,
        vectors=lambda params, indices: params["codebook"][indices],
        penalty=penalty,
        refit=refit_own,
        traits=frozenset({"sample"}),
    )


def nearest(codebook: Codebook, vectors: Vectors) -> Indices:
    """Return the index of the vector of the codebook that is nearest to each vector."""
    # |v - c|^2 is expanded, without |v|^2, so that no array [B, T, K, D] exists; what cancels is measured from the centre.
    centre = codebook.mean(axis=0)
    codebook, vectors = codebook - centre[None], vectors - centre[None, None]
    product = jnp.matmul(vectors, codebook.T, precision=jax.lax.Precision.HIGHEST)
    nearness = product - 0.5 * jnp.square(codebook).sum(axis=1)[None, None]
    return nearness.argmax(axis=-1).astype(jnp.int32)


def statistics(params: Params, vectors: Vectors, indices: Indices) -> PerExample:
    """Return 0, with a gradient for each code's counts and sums: the number and the sum of the vectors that it replaced.

    The gradients of a mean over images are means over images. They are averaged over parts of a batch and over devices like
    all gradients.
    """
    counts, sums = (params[name] - jax.lax.stop_gradient(params[name]) for name in ("counts", "sums"))
    return counts[indices].sum(axis=1) + (sums[indices] * vectors).sum(axis=(1, 2))


def refit(params: Params, grads: Params, rate: Float[Array, ""], eps: float) -> Params:
    """Return the averages after a step, and the codebook that they give; a code without a count keeps its vector.

    Args:
        params: codebook [K, D], counts [K] and sums [K, D], per image, before the step.
        grads: those of `statistics`: the counts and sums of the batch, means over its images.
        rate: the weight of the batch. The first step takes the batch alone, and step t weighs it by at least 1/t.
        eps: added to each count, without changing their total (appendix A.1).
    """
    counts, sums = (params[name] + rate * (grads[name] - params[name]) for name in ("counts", "sums"))
    total = counts.sum()
    smoothed = (counts + eps) / (total + len(counts) * eps) * total
    codebook = jnp.where(
        (counts > 0)[:, None], sums / jnp.where(counts > 0, smoothed, 1.0)[:, None], params["codebook"]
    )
    return {"codebook": codebook, "counts": counts, "sums": sums}


def split_most_used(key: PRNGKeyArray, params: Params, dead_below: float) -> Params:
    """Return params in which each dead code is beside one of the most used, with which it shares the count.

    The least used goes to the most used, the next to the second, and so on in turn. The codes that are not dead keep their
    vectors.

    Args:
        key: the key of the directions in which codes are split.
        params: see `refit`.
        dead_below: a code is dead if its count is below this share of the mean.
    """
    codebook, counts, sums = (params[name] for name in ("codebook", "counts", "sums"))
    order = jnp.argsort(-counts)
    dead = counts[order] < dead_below * counts.mean()
    living = len(counts) - dead.sum()
    place = jnp.arange(len(counts))
    source = order[jnp.where(dead, (len(counts) - 1 - place) % living, place)]
    sharers = jnp.zeros_like(counts).at[source].add(1.0)[source]
    spread = jnp.sqrt(codebook.var(axis=0).mean()) + jnp.finfo(codebook.dtype).eps
    nudge = NUDGE * spread * jax.random.normal(key, codebook.shape)
    moved, shared = codebook[source] + nudge, counts[source] / sharers
    after = {
        "codebook": jnp.where(dead[:, None], moved, codebook[source]),
        "counts": shared,
        "sums": jnp.where(dead[:, None], moved * shared[:, None], sums[source] / sharers[:, None]),
    }
    return {name: jnp.zeros_like(value).at[order].set(value) for name, value in after.items()}
