"""The negative evidence lower bound (Kingma and Welling 2014, eq. 10), with the KL costs of `kl`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.models.likelihoods.pixels import mean_pixels
from vae_jax.objectives.kl import make_cost
from vae_jax.types import Config, Hparams, Images, Model, Objective, Params, Terms


def make_elbo(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """Make the objective loss = reconstruction + `make_cost`'s cost of the KL at `hparams["beta"]`, nats per image.

    Terms: loss, reconstruction, kl; with train=False also elbo (always at beta = 1) and mse (at the sampled z).
    """
    assert model.kl_terms is not None
    compute_kl_terms = model.kl_terms
    cost = make_cost(config, steps_per_epoch, axis_name)

    def objective(
        params: Params, key: PRNGKeyArray, x: Images, step: Int32[Array, ""], hparams: Hparams, train: bool = True
    ) -> Terms:
        # The number and order of these keys is part of bit-equal resume; reconstruction.py splits into four.
        key_eps, key_encode, key_decode = jax.random.split(key, 3)
        posterior = model.encode(params, x, key_encode if train else None)
        z = model.reparameterize(params, key_eps, posterior)
        outputs = model.decode(params, z, key_decode if train else None)
        reconstruction = -model.log_likelihood(params, x, outputs)
        kl_terms = compute_kl_terms(params, posterior, z)
        kl = kl_terms.sum(axis=-1)
        loss = reconstruction + cost(kl_terms, step, hparams["beta"], train)
        terms = {"loss": loss, "reconstruction": reconstruction, "kl": kl}
        if not train:
            mse = mean_pixels(jnp.square(x - model.pixel_mean(params, outputs)))
            terms |= {"elbo": -(reconstruction + kl), "mse": mse}
        return terms

    return objective
