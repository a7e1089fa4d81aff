"""A trained model as lists of layers: what a program without JAX computes to encode, to decode and to draw from the prior.

Where `networks.layers` lists what a network does, this adds what the model and the likelihood do around it.
"""

from typing import NamedTuple

from vae_jax.models.networks import LAYERS, Layer
from vae_jax.runs.run import Run

__all__ = ["Layer", "Layers", "list_layers"]


class Layers(NamedTuple):
    """A model, layer by layer. See `networks.layers.Layer` for the kinds; one more is

    pixel_mean: numbers likelihood, of LIKELIHOODS. The decoder's last: outputs [H, W, F] -> E[x|z] [H, W, C] in [0, 1].
    """

    encoder: list[Layer]
    """[H, W, C] -> [2 Z], the posterior's mean and then its logvar; [Z] of a model without a prior."""
    decoder: list[Layer]
    """z [Z] -> pixel means [H, W, C]."""
    prior: list[Layer]
    """Normal noise [U] -> [2 Z], mean and logvar of z given the layer above; empty where the prior is N(0, I), or none."""


def list_layers(run: Run) -> Layers:
    """The layers of a trained model, its weights float32."""
    config = run.config
    encoder, decoder = LAYERS[config.network](config, run.shape, run.params)
    decoder.append(Layer("pixel_mean", run.shape, {}, {"likelihood": config.likelihood}))
    return Layers(encoder, decoder, _prior(run))


def _prior(run: Run) -> list[Layer]:
    if run.config.model != "two_layer":
        return []
    return LAYERS["mlp"](run.config, (1, 1, run.config.latent_dim), run.params["layers"])[1]
