"""Measurements of log p(x) on a split: computed piece by piece, stored on disk, summarised, compared between runs."""

from vae_jax.evaluation.nll.facts import facts_of, kind_of
from vae_jax.evaluation.nll.record import Record, Source, differing, measure, read, resume
from vae_jax.evaluation.nll.request import (
    METHODS,
    Request,
    check_prior,
    file_name,
    images_of,
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
    "check_prior",
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
