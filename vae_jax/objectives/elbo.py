"""The negative evidence lower bound (Kingma and Welling 2014, eq. 10), its KL weighted, warmed up or freed."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.types import Config, Images, Model, Objective, Params, PerExample, Terms


def make_elbo(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """loss = reconstruction + weight * kl, nats per image.

    weight is `hparams["beta"]` (Higgins et al. 2017), reached linearly over `kl_warmup_epochs` (Bowman et al. 2016).
    With `free_bits` = lambda > 0 the kl of the training loss is sum_k max(lambda, mean over the global batch of KL_k)
    (Kingma et al. 2016, eq. 15): it couples the examples of a batch, so evaluation (train=False) leaves it out.

    Terms: loss, reconstruction, kl; with train=False also elbo (always at beta = 1) and mse (at the sampled z).
    """
    assert model.kl_terms is not None
    kl_terms_of = model.kl_terms
    warmup_steps = config.kl_warmup_epochs * steps_per_epoch

    def weight(step: Int32[Array, ""], beta: Float[Array, ""]) -> Float[Array, ""]:
        return beta * jnp.minimum(step / warmup_steps, 1.0) if warmup_steps else beta

    def freed(kl_terms: Float[Array, "B K"]) -> PerExample:
        batch_mean = kl_terms.mean(axis=0)
        if axis_name is not None:
            batch_mean = jax.lax.pmean(batch_mean, axis_name)
        return jnp.full(kl_terms.shape[:1], jnp.maximum(batch_mean, config.free_bits).sum())

    def objective(
        params: Params,
        key: PRNGKeyArray,
        x: Images,
        step: Int32[Array, ""],
        hparams: dict[str, Float[Array, ""]],
        train: bool = True,
    ) -> Terms:
        key_eps, key_encode, key_decode = jax.random.split(key, 3)
        posterior = model.encode(params, x, key_encode if train else None)
        z = model.reparameterize(params, key_eps, posterior)
        outputs = model.decode(params, z, key_decode if train else None)
        reconstruction = -model.log_likelihood(params, x, outputs)
        kl_terms = kl_terms_of(params, posterior, z)
        kl = kl_terms.sum(axis=-1)
        penalty = freed(kl_terms) if train and config.free_bits > 0 else kl
        loss = reconstruction + weight(step, hparams["beta"]) * penalty
        terms = {"loss": loss, "reconstruction": reconstruction, "kl": kl}
        if not train:
            mse = jnp.square(x - model.pixel_mean(params, outputs)).mean(axis=(1, 2, 3))
            terms |= {"elbo": -(reconstruction + kl), "mse": mse}
        return terms

    return objective
