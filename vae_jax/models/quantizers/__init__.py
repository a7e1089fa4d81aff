"""The quantizers of a model with discrete codes: one file each, one line in QUANTIZERS."""

from vae_jax.keys import Entry, text
from vae_jax.models.quantizers import vq
from vae_jax.models.quantizers.quantizer import Quantized, Quantizer, Vectors
from vae_jax.types import Config

QUANTIZERS: dict[str, Entry] = {
    "vq": Entry(vq.make_vq, vq.KEYS, title="Vector-quantised autoencoder"),
}
"""(config) -> Quantizer."""

QUANTIZER = text("quantizer", "", "rule that replaces vectors by codes; empty: the model's own, vq")
OWN = {"quantizer": "vq"}


def make_quantizer(config: Config) -> Quantizer:
    """Make the quantizer named by `config.quantizer`; vq if it is empty."""
    return QUANTIZERS[config.quantizer or OWN["quantizer"]].make(config)
