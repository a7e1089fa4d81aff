"""Runs without what a person looks at."""

import pytest


def without_pictures(patch: pytest.MonkeyPatch) -> None:
    """Let runs draw no figures and write a page of one tag: these have tests of their own, and take half of a short run."""
    patch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
    patch.setattr("vae_jax.artifacts.report.write_report", lambda *given: given[3].write_text("<p>"))
