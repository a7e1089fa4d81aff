"""A health report: what the latent space carries, its distance from the prior, the losses of encoder and decoder."""

from vae_jax.evaluation.health.annealed_bound import Anneal
from vae_jax.evaluation.health.examine import Extent, Subject, examine
from vae_jax.evaluation.health.refinement import Effort
from vae_jax.evaluation.health.summary import Gap, Summary, difference, facts, messages, summarize_latents
from vae_jax.evaluation.health.verdicts import Line, overall

__all__ = [
    "Anneal",
    "Effort",
    "Extent",
    "Gap",
    "Line",
    "Subject",
    "Summary",
    "difference",
    "examine",
    "facts",
    "messages",
    "overall",
    "summarize_latents",
]
