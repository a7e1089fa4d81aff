"""The autoencoder: a deterministic code without a prior, so there is no elbo and nothing to sample from."""

from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_backbone
from vae_jax.types import Code, Config, Images, Model, Params


def make_ae(config: Config, shape: tuple[int, int, int]) -> Model:
    """Make an autoencoder with a code of `config.latent_dim` numbers for images of shape (H, W, C)."""
    backbone = make_backbone(config, shape, config.latent_dim)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Code:
        return Code(backbone.networks.encode(params, x, key))

    def reparameterize(params: Params, key: PRNGKeyArray, posterior: Code) -> Float[Array, "B Z"]:
        return posterior.mean

    return Model(
        init=backbone.init,
        encode=encode,
        reparameterize=reparameterize,
        decode=backbone.networks.decode,
        log_likelihood=backbone.log_likelihood,
        pixel_mean=backbone.pixel_mean,
    )
