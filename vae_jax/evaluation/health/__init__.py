"""The health of a trained model: the information in its latents, their distance from the prior, the gaps of its networks."""

from vae_jax.evaluation.health.advice import make_fitting
from vae_jax.evaluation.health.annealed_bound import Anneal
from vae_jax.evaluation.health.effort import Effort
from vae_jax.evaluation.health.examinable import is_examinable, require_examinable
from vae_jax.evaluation.health.examine import Extent, Subject, examine
from vae_jax.evaluation.health.lines import codes_used, quick
from vae_jax.evaluation.health.lines import gap as gap_line
from vae_jax.evaluation.health.summary import (
    Gap,
    Summary,
    difference,
    facts,
    gap_facts,
    summarize_latents,
)
from vae_jax.evaluation.health.verdicts import Line, as_json, overall
