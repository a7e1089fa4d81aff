"""A trained model as lists of layers, for programs without JAX that encode, decode and draw from the prior.

`networks.layers` lists the layers of a network; this adds those of the model and the likelihood around it.
"""

from typing import NamedTuple

from vae_jax.models.networks import LAYERS, Layer
from vae_jax.runs.run import Run

__all__ = ["Layer", "Layers", "list_layers"]


class Layers(NamedTuple):
    """A model, layer by layer. See `networks.layers.Layer` for the kinds of layers, with one more:

    pixel_mean: numbers likelihood, a name in LIKELIHOODS. It is the decoder's last: outputs [H, W, F] -> E[x|z] [H, W, C] in
        [0, 1].
    """

    encoder: list[Layer]
    """[H, W, C] -> [2 Z], the posterior's mean and then its logvar; [Z] for a model without a prior."""
    decoder: list[Layer]
    """z [Z] -> pixel means [H, W, C]."""
    prior: list[Layer]
    """Normal noise [U] -> [2 Z], mean and logvar of z given the layer above; empty if the prior is N(0, I), or without one."""


def list_layers(run: Run) -> Layers:
    """List the layers of a trained model, with float32 weights."""
    config = run.config
    encoder, decoder = LAYERS[config.network](config, run.shape, run.params)
    decoder.append(Layer("pixel_mean", run.shape, {}, {"likelihood": config.likelihood}))
    return Layers(encoder, decoder, _prior(run))


def _prior(run: Run) -> list[Layer]:
    if run.config.model != "two_layer":
        return []
    return LAYERS["mlp"](run.config, (1, 1, run.config.latent_dim), run.params["layers"])[1]
