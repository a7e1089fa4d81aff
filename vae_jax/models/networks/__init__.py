"""Encoder and decoder networks: the only room that imports flax.linen. No loss, no sampling, no BatchNorm.

One file each, one line in NETWORKS.
"""

from collections.abc import Callable

from vae_jax.models.networks.conv import make_conv
from vae_jax.models.networks.layers import LAYERS, Layer
from vae_jax.models.networks.mlp import make_mlp
from vae_jax.models.networks.network import ACTIVATIONS, Networks
from vae_jax.types import Config

__all__ = ["ACTIVATIONS", "LAYERS", "NETWORKS", "Layer", "Networks"]

NETWORKS: dict[str, Callable[[Config, tuple[int, int, int], int, int], Networks]] = {"conv": make_conv, "mlp": make_mlp}
"""(config, (H, W, C), num_features, num_channels) -> Networks."""
