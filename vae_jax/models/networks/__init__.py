"""Encoder and decoder networks: one file each, one line in NETWORKS.

Only this folder imports flax.linen. It holds no loss, no sampling and no BatchNorm.
"""

from collections.abc import Callable

from vae_jax.models.networks.conv import make_conv
from vae_jax.models.networks.layers import LAYERS, Layer
from vae_jax.models.networks.mlp import make_mlp
from vae_jax.models.networks.network import ACTIVATIONS, Networks
from vae_jax.types import Config

NETWORKS: dict[str, Callable[[Config, tuple[int, int, int], int, int], Networks]] = {"conv": make_conv, "mlp": make_mlp}
"""(config, (H, W, C), num_features, num_channels) -> Networks. num_features is the number of encoder outputs per image, such
as 2 Z for mean and log variance; num_channels is the number of decoder outputs per pixel."""
