"""The log p(x) of a run's split: measured piece by piece, stored on disk, summarised, and compared with another run's."""

from vae_jax.evaluation.nll.images import images_of, split_of
from vae_jax.evaluation.nll.measurement import measure_run
from vae_jax.evaluation.nll.record import Record, differing, measure, read, resume
from vae_jax.evaluation.nll.request import (
    METHODS,
    Request,
    assert_measurable,
    facts_of,
    file_name,
    kind_of,
    make_source,
    read_other,
)
from vae_jax.evaluation.nll.summary import caveat, compare, prefix, summarize
from vae_jax.evaluation.nll.table import print_comparison, print_record, write_report
