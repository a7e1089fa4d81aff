"""A latent space on the grid of a convolutional network: the z of latent diffusion (Rombach et al. 2022, section 3.1)."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import count
from vae_jax.models.backbone import make_backbone
from vae_jax.models.networks import Layer, Layers
from vae_jax.types import Code, Config, Images, Model, Outputs, Params, Spec

LATENT_GRID = count(
    "latent_grid",
    0,
    "channels of z at each place of the grid of network=conv or resnet; 0: z is one vector of latent_dim numbers",
    "channels",
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of a grid without a network or a posterior that fit it."""
    at, found = f"latent_grid={flat['latent_grid']}", []
    if not flat["latent_grid"]:
        return []
    if flat["network"] not in ("conv", "resnet"):
        found.append(
            f"network={flat['network']}: {at} needs a network with a grid; choices: network=conv, network=resnet"
        )
    if flat["posterior"] not in ("", "diagonal"):
        found.append(
            f"posterior={flat['posterior']}: {at} has diagonal Gaussians at its places; choices: posterior=diagonal, or "
            "latent_grid=0"
        )
    return found


def on_grid(config: Config, spec: Spec) -> tuple[Config, Model]:
    """Return config with the number of latent dimensions of the grid, and the backbone of diagonal Gaussians on it.

    A network with a grid of h x w places has z of Z = h w c numbers, c = `config.latent_grid`. They are kept as one vector [Z],
    place by place, so every prior, figure and estimate takes them as those of any VAE.
    """
    channels = config.latent_grid
    backbone = make_backbone(config, spec, 2 * channels, channels, parts=1)
    places = math.prod(backbone.grid)
    sized = copy.deepcopy(config)
    sized.latent_dim = places * channels

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Code:
        features = backbone.encode(params, x, key).mean.reshape(x.shape[0], places, 2, channels)
        return Code(features.swapaxes(1, 2).reshape(x.shape[0], 2 * places * channels))

    def decode(params: Params, z: Float[Array, "B Z"], key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.decode(params, z.reshape(z.shape[0], places, channels), key)

    def layers(params: Params) -> Layers:
        assert backbone.layers is not None
        own = backbone.layers(params)
        encoder = [*own.encoder, Layer("halves", (2 * places * channels,))]
        return own._replace(encoder=encoder, decoder=[Layer("reshape", (*backbone.grid, channels)), *own.decoder])

    return sized, backbone._replace(encode=encode, decode=decode, layers=layers if backbone.layers else None)
