"""Checkpoints of a run: saved by orbax in the background, sealed by a manifest, the two latest and the best kept."""

from vae_jax.runs.checkpoint.checkpoints import Checkpoints, Which
from vae_jax.runs.checkpoint.manifest import MANIFEST
from vae_jax.runs.checkpoint.trees import Info, Restored
