"""The cost of the KL in training: weighted, warmed up once or in cycles, with free bits, or held at a capacity."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from vae_jax.keys import count, real
from vae_jax.types import Config, Context, PerExample

Scalar = Float[Array, ""]
Cost = Callable[..., PerExample]


KEYS = (
    real(
        "beta",
        1.0,
        "weight in the training loss of the KL, or of its distance from the capacity; evaluation always uses beta = 1",
        hparam=True,
    ),
    real("kl_warmup_epochs", 0.0, "length of the linear growth of the KL's weight from 0 to beta", "epochs"),
    count(
        "kl_cycles",
        1,
        "number of such warm-ups; after each the weight stays at beta for kl_warmup_epochs, after the last until the end",
        "cycles",
        1,
    ),
    real("free_bits", 0.0, "KL per latent dimension that costs nothing in training", "nats"),
    real("capacity", 0.0, "target of the mean KL of a batch; 0: no target", "nats"),
    real("capacity_epochs", 0.0, "length of the linear growth of the capacity; 0: full from the start", "epochs"),
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of a cycle without a length, and of a capacity beside another rule for the KL."""
    found = []
    if flat["kl_cycles"] > 1 and flat["kl_warmup_epochs"] == 0:
        found.append(f"kl_cycles={flat['kl_cycles']}: a cycle needs its length, kl_warmup_epochs above 0")
    for name in ("free_bits", "kl_warmup_epochs"):
        if flat["capacity"] > 0 and flat[name] > 0:
            found.append(
                f"{name}={flat[name]:g}: capacity={flat['capacity']:g} sets the KL by itself (and capacity_epochs its growth); "
                f"{name}=0, or capacity=0"
            )
    return found


def stable_after_epoch(config: Config) -> float:
    """Return the epoch after which the cost no longer changes: the end of the last warm-up, or of the capacity's growth."""
    warmup = (2 * config.kl_cycles - 1) * config.kl_warmup_epochs
    return max(warmup, config.capacity_epochs if config.capacity > 0 else 0.0)


def stable_when(config: Config) -> str:
    """Return the event at `stable_after_epoch`, if that is above 0, in words."""
    if config.capacity > 0:
        return "the capacity is full"
    return "the KL warm-up ends" if config.kl_cycles == 1 else f"the last of {config.kl_cycles} KL warm-ups ends"


def make_weight(config: Config, steps_per_epoch: int) -> Callable[[Int32[Array, ""], Scalar], Scalar]:
    """Make a function (step, beta) -> the weight of the KL, from 0 to beta.

    It grows linearly over W = kl_warmup_epochs (Bowman et al. 2016). With `kl_cycles` = M > 1 it grows over W, stays at beta
    over W, and starts again from 0, M times; after the last growth it stays (Fu et al. 2019, eq. 6, R = 1/2).
    """
    warmup = config.kl_warmup_epochs * steps_per_epoch

    def weight(step: Int32[Array, ""], beta: Scalar) -> Scalar:
        if not warmup:
            return beta
        cycle = jnp.minimum(jnp.floor(step / (2 * warmup)), config.kl_cycles - 1)
        return beta * jnp.clip(step / warmup - 2 * cycle, 0.0, 1.0)

    return weight


def make_cost(config: Config, steps_per_epoch: int) -> Cost:
    """Make a function (kl_terms[B,K], context) -> the cost added to the reconstruction [B], nats per image.

    - By default: weight * kl (Higgins et al. 2017), with the weight of `make_weight`.
    - `free_bits` = lambda > 0: weight * sum_k max(lambda, batch mean of KL_k) (Kingma et al. 2016, eq. 15).
    - `capacity` > 0: beta * |batch mean of kl - C|; C grows linearly from 0 to the capacity over `capacity_epochs`
      (Burgess et al. 2018, eq. 8; beta is their gamma).

    The last two couple the examples of a batch: each gets the same cost. The batch is that of all devices.
    Evaluation couples nothing. It leaves free bits out. With a capacity, beta is the strength of a constraint
    and not a weight of the KL, so the cost in evaluation is kl and the loss is -elbo.
    """
    weight = make_weight(config, steps_per_epoch)
    growth = config.capacity_epochs * steps_per_epoch

    # A batch's scalar is spread over the examples by full_like, so that the later mean over examples returns it.
    def cost(kl_terms: Float[Array, "B K"], context: Context) -> PerExample:
        step, beta, train = context.step, context.hparams["beta"], context.train
        kl = kl_terms.sum(axis=-1)
        if config.capacity > 0:
            target = config.capacity * (jnp.minimum(step / growth, 1.0) if growth else 1.0)
            return jnp.full_like(kl, beta * jnp.abs(context.batch_mean(kl_terms).sum() - target)) if train else kl
        if config.free_bits > 0 and train:
            kl = jnp.full_like(kl, jnp.maximum(context.batch_mean(kl_terms), config.free_bits).sum())
        return weight(step, beta) * kl

    return cost
