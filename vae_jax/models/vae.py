"""The variational autoencoder (Kingma and Welling 2014): diagonal Gaussian posterior, standard normal prior or another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_backbone
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.priors import make_prior
from vae_jax.types import Config, Draw, Images, Model, Params, PerExample, Posterior, Rate, Sample, Spec

Z = Float[Array, "B Z"]


def make_vae(config: Config, spec: Spec) -> Model:
    """Make a VAE with `config.latent_dim` latent dimensions and the prior `config.prior`, by default N(0, I).

    The KL is in closed form, one term for each latent dimension, if the prior is N(0, I). With any other prior it is
    log q(z|x) - log p(z) of the drawn z, one term for each image.
    """
    backbone = make_backbone(config, spec, 2 * config.latent_dim)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        return Posterior(*jnp.split(backbone.encode(params, x, key).mean, 2, axis=-1))

    prior = make_prior(config, spec, encode)

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return backbone.init(key, sample) | {"prior": prior.init(jax.random.fold_in(key, 0), sample)}

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Posterior) -> Draw:
        z = posterior.mean if key is None else normal_sample(key, *posterior)
        return Draw(z, log_posterior(params, posterior, z))

    def log_posterior(params: Params, posterior: Posterior, z: Z) -> PerExample:
        return normal_log_prob(z, *posterior).sum(axis=-1)

    def closed_form(params: Params, posterior: Posterior, draw: Draw) -> Float[Array, "B Z"]:
        return normal_kl_standard(*posterior)

    def log_ratio(params: Params, posterior: Posterior, draw: Draw) -> Float[Array, "B 1"]:
        assert draw.log_q is not None
        assert prior.log_prob is not None
        return (draw.log_q - prior.log_prob(params, draw.z))[:, None]

    if prior.is_standard:
        rate, traits = Rate(closed_form, lambda: z_names(config.latent_dim), log_posterior), {"columns"}
    else:
        rate, traits = Rate(log_ratio, lambda: ("kl",), log_posterior), set()
    return backbone._replace(
        init=init,
        encode=encode,
        reparameterize=reparameterize,
        prior=prior,
        rate=rate,
        traits=backbone.traits | prior.traits | traits,
    )


def z_names(size: int, layer: str = "") -> tuple[str, ...]:
    """Return z1, z2, ..., the names of latent dimensions, each with the name of its layer before it."""
    return tuple(f"{layer}z{k + 1}" for k in range(size))
