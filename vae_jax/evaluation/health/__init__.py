"""The health of a trained model: the information in its latents, their distance from the prior, the gaps of its networks."""

from vae_jax.evaluation.health.annealed_bound import Anneal
from vae_jax.evaluation.health.examine import NEED, Extent, Subject, examine
from vae_jax.evaluation.health.refinement import Effort
from vae_jax.evaluation.health.summary import (
    Gap,
    Summary,
    difference,
    facts,
    gap_facts,
    gap_line,
    lines_of,
    summarize_latents,
)
from vae_jax.evaluation.health.verdicts import Line, overall
