"""Encoder and decoder networks: one file each, one line in NETWORKS.

Only this folder imports flax.linen. It holds no loss, no sampling and no BatchNorm.
"""

from vae_jax.keys import Entry
from vae_jax.models.networks import conv, mlp, resnet, stages
from vae_jax.models.networks.layers import Layer, Layers, first_outputs
from vae_jax.models.networks.network import ACTIVATION, ACTIVATIONS, Networks, Ports
from vae_jax.types import Config

NETWORKS: dict[str, Entry] = {
    "conv": Entry(conv.make_conv, conv.KEYS, stages.problems, title="Convolutional {}"),
    "gated": Entry(mlp.make_gated, (mlp.HIDDEN_DIMS,), mlp.problems, title="Gated {}"),
    "mlp": Entry(mlp.make_mlp, mlp.KEYS, mlp.problems),
    "resnet": Entry(resnet.make_resnet, resnet.KEYS, stages.problems, title="Residual {}"),
}
"""(config, ports) -> Networks."""


def make_networks(config: Config, ports: Ports) -> Networks:
    """Make the networks named by `config.network`."""
    return NETWORKS[config.network].make(config, ports)
