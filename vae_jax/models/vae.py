"""The variational autoencoder (Kingma and Welling 2014): any posterior of POSTERIORS with any prior of PRIORS."""

from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_backbone
from vae_jax.models.latent_grid import on_grid
from vae_jax.models.networks import Layers
from vae_jax.models.posteriors import PosteriorFamily, log_ratio, make_posterior, own_prior
from vae_jax.models.priors import make_prior
from vae_jax.types import Config, Draw, Images, Model, Outputs, Params, Prior, Rate, Sample, Spec

Z = Float[Array, "B Z"]


def make_vae(config: Config, spec: Spec) -> Model:
    r"""Make a VAE with `config.latent_dim` latent dimensions, the posterior `config.posterior` and the prior `config.prior`.

    .. math:: \log p(x) \ge \mathrm{elbo} = \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - \mathrm{KL}(q(z \mid x) \,\|\, p(z))

    By default they are a diagonal Gaussian and N(0, I), whose KL is in closed form, one term for each latent dimension. Where
    there is no closed form, it is log q(z|x) - log p(z) of the drawn z, one term for each image. With `config.latent_grid` the
    latent dimensions are those of a grid, see `latent_grid.on_grid`.
    """
    config, grid = on_grid(config, spec) if config.latent_grid else (config, None)
    family = make_posterior(config)
    backbone = grid or make_backbone(config, spec, family.num_features, family.size)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Any:
        return family.posterior(backbone.encode(params, x, key).mean)

    prior = make_prior(config, spec, encode, own_prior(config))

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        own = {} if family.init is None else {"posterior": family.init(jax.random.fold_in(key, 1))}
        return backbone.init(key, sample) | own | {"prior": prior.init(jax.random.fold_in(key, 0), sample)}

    def decode(params: Params, z: Z, key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.decode(params, z if family.onto is None else family.onto(z), key)

    def layers(params: Params) -> Layers:
        assert backbone.layers is not None
        return family.layers(backbone.layers(params))

    rate, closed = _make_rate(family, prior)
    return backbone._replace(
        init=init,
        encode=encode,
        reparameterize=family.reparameterize,
        decode=decode,
        prior=prior,
        rate=rate,
        layers=None if backbone.layers is None else layers,
        traits=backbone.traits | prior.traits | (family.traits if closed else family.traits - {"columns"}),
    )


def _make_rate(family: PosteriorFamily, prior: Prior) -> tuple[Rate, bool]:
    """Return the rate, and True if it is in closed form."""
    kl_terms = family.kl_terms
    if kl_terms is not None and (prior.is_standard or "manifold" in prior.traits):

        def closed_form(params: Params, posterior: Any, draw: Draw) -> Float[Array, "B K"]:
            return kl_terms(posterior)

        return Rate(closed_form, family.kl_names, family.log_prob), True
    assert prior.log_prob is not None
    return Rate(log_ratio(prior.log_prob), lambda: ("kl",), family.log_prob), False
