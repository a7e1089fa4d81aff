"""A trained model as a folder for others: config.json, weights, a picture and a model card, and nothing that is executed."""

from vae_jax.artifacts.pretrained.loading import from_pretrained
from vae_jax.artifacts.pretrained.saving import save_pretrained
