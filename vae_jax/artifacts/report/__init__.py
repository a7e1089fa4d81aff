"""Web pages of runs: each is one self-contained HTML file, which opens from disk, by mail or from any static host."""

from vae_jax.artifacts.report.comparison import write_comparison
from vae_jax.artifacts.report.index import write_index
from vae_jax.artifacts.report.run_page import write_report
