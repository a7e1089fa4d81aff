"""A codebook, and the moving averages that set it (van den Oord et al. 2017, appendix A.1)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import real
from vae_jax.models.quantizers.quantizer import Indices, Vectors
from vae_jax.types import Config, Params, PerExample

Codebook = Float[Array, "K D"]
COMMITMENT = real(
    "vq.commitment",
    0.25,
    "loss for each unit of squared distance from the encoder's vectors to their codes, summed over an image",
    "nats",
)
DECAY = real("vq.decay", 0.99, "decay at each step of the moving averages that set the codebook", high=0.99999999)
EPS = real("vq.eps", 1e-5, "count that is added to each code's (Laplace smoothing)", "codes per image")
DEAD_BELOW = real(
    "vq.dead_below",
    0.03,
    "share of the mean use below which a code is moved beside one of the most used; 0: never",
    high=0.5,
)
NUDGE = 0.01
"""The distance in each dimension between the two halves of a code that is split, in standard deviations of the codebook."""


def start(key: PRNGKeyArray, vectors: Float[Array, "N D"], size: int) -> Codebook:
    """Return a codebook of `size` vectors, each one of N vectors, or N(0, I) if N is 0.

    If N is less than `size`, a vector becomes several codes, each moved a little: of equal codes only the first is ever used.
    """
    if not len(vectors):
        return jax.random.normal(key, (size, vectors.shape[1]))
    few = len(vectors) < size
    codebook = vectors[jax.random.choice(key, len(vectors), (size,), replace=few)]
    return codebook + _nudges(jax.random.fold_in(key, 1), codebook) if few else codebook


def with_averages(codebook: Codebook) -> Params:
    """Return a codebook with the averages of `refit` before the first step."""
    return {"codebook": codebook, "counts": jnp.zeros(len(codebook)), "sums": jnp.zeros_like(codebook)}


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
    moved, shared = codebook[source] + _nudges(key, codebook), counts[source] / sharers
    after = {
        "codebook": jnp.where(dead[:, None], moved, codebook[source]),
        "counts": shared,
        "sums": jnp.where(dead[:, None], moved * shared[:, None], sums[source] / sharers[:, None]),
    }
    return {name: jnp.zeros_like(value).at[order].set(value) for name, value in after.items()}


def remedy(config: Config) -> str:
    """Return the advice if most codes of codebooks that averages set are dead."""
    own, split = config.vq, f"{DEAD_BELOW.name}={DEAD_BELOW.default:g} or more (splits codes in use)"
    advice = [split if not own.dead_below else f"a larger {DEAD_BELOW.name}", "a smaller learning_rate"]
    # A weak commitment lets the encoder's vectors run away from their codes.
    return ", ".join([*advice, *([f"a larger {COMMITMENT.name}"] if own.commitment < COMMITMENT.default else [])])


def _nudges(key: PRNGKeyArray, codebook: Codebook) -> Codebook:
    spread = jnp.sqrt(codebook.var(axis=0).mean()) + jnp.finfo(codebook.dtype).eps
    return NUDGE * spread * jax.random.normal(key, codebook.shape)
