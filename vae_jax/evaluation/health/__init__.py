"""Is a trained model well? What its latent space carries, how far it is from the prior, what encoder and decoder lose."""

from vae_jax.evaluation.health.annealed_bound import Anneal
from vae_jax.evaluation.health.examine import Extent, Subject, examine
from vae_jax.evaluation.health.refinement import Effort
from vae_jax.evaluation.health.summary import Gap, Summary, difference, facts, summarize_latents, told
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
    "overall",
    "summarize_latents",
    "told",
]
