"""The quantizers of a model with discrete codes: one file each, one line in QUANTIZERS."""

from vae_jax.keys import Entry, text
from vae_jax.models.quantizers import fsq, lfq, residual, vq
from vae_jax.models.quantizers.coding import coded
from vae_jax.models.quantizers.quantizer import Quantized, Quantizer, Vectors
from vae_jax.types import Config

QUANTIZERS: dict[str, Entry] = {
    "fsq": Entry(
        fsq.make_fsq,
        fsq.KEYS,
        fsq.problems,
        title="Autoencoder with finite scalar quantisation",
        ignores=("latent_dim",),
    ),
    "lfq": Entry(lfq.make_lfq, lfq.KEYS, title="Autoencoder with lookup-free quantisation", ignores=("latent_dim",)),
    "residual": Entry(residual.make_residual, residual.KEYS, title="Residual vector-quantised autoencoder"),
    "vq": Entry(vq.make_vq, vq.KEYS, vq.problems, title="Vector-quantised autoencoder"),
}
"""(config) -> Quantizer."""

QUANTIZER = text("quantizer", "", "rule that replaces vectors by codes; empty: the model's own, vq")
OWN = {"quantizer": "vq"}


def make_quantizer(config: Config) -> Quantizer:
    """Make the quantizer named by `config.quantizer`; vq if it is empty."""
    return QUANTIZERS[config.quantizer or OWN["quantizer"]].make(config)
