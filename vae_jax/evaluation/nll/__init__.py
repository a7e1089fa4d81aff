"""log p(x) of a run's split: measured piece by piece, kept on disk, summarised, and compared with another run's."""

from vae_jax.evaluation.nll.record import Record, Source, differing, measure, read, resume
from vae_jax.evaluation.nll.request import (
    METHODS,
    Request,
    facts_of,
    file_name,
    images_of,
    kind_of,
    make_source,
    read_other,
)
from vae_jax.evaluation.nll.summary import QUANTILES, Paired, Summary, caveat, compare, prefix, summarize

__all__ = [
    "METHODS",
    "QUANTILES",
    "Paired",
    "Record",
    "Request",
    "Source",
    "Summary",
    "caveat",
    "compare",
    "differing",
    "facts_of",
    "file_name",
    "images_of",
    "kind_of",
    "make_source",
    "measure",
    "prefix",
    "read",
    "read_other",
    "resume",
    "summarize",
]
