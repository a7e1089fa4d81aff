"""The autoencoder: a deterministic code without a prior, so there is no elbo and nothing to sample from."""

from vae_jax.models.backbone import make_backbone
from vae_jax.types import Config, Model, Spec


def make_ae(config: Config, spec: Spec) -> Model:
    r"""Make an autoencoder with a code of `config.latent_dim` numbers.

    .. math:: L = -\log p(x \mid z), \quad z = f(x)
    """
    return make_backbone(config, spec, config.latent_dim, config.latent_dim)
