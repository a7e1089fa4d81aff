"""The results of a sweep's runs; failures are printed on the standard error."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vae_jax.errors import InputError
from vae_jax.sweeps.plan import Planned, point_text
from vae_jax.sweeps.population import Outcome
from vae_jax.training import measure

Finished = tuple[Planned, dict[str, Any]]
"""A run and the content of its results.json, or the same of its last checkpoint."""


def finished(runs: Sequence[Planned], outcomes: Mapping[int, Outcome], last: bool) -> list[Finished]:
    """Return the runs that did not fail, with the results of the last checkpoint or else of the best one."""
    results = [(run, _results(run, outcomes[i], last)) for i, run in enumerate(runs)]
    return [(run, values) for run, values in results if values is not None]


def assert_not_longer(run: Planned, values: Mapping[str, Any]) -> None:
    """Raise InputError if the results are of more epochs than the run has: its directory is that of a longer run."""
    if values["epochs"] > run.config.num_epochs:
        raise InputError(
            f"{run.workdir} was trained for {values['epochs']:g} epochs before, more than "
            f"num_epochs={run.config.num_epochs}; choose another --output"
        )


def _results(run: Planned, outcome: Outcome, last: bool) -> dict[str, Any] | None:
    """Return the results of a run; if it failed, print why and return None."""
    try:
        if isinstance(outcome, dict):
            assert_not_longer(run, outcome)
            return measure.at_latest(run.workdir, outcome) if last else outcome
    except InputError as error:
        outcome = error
    text = str(outcome) if isinstance(outcome, InputError) else f"{type(outcome).__name__}: {outcome}"
    name = f"{point_text(run.point)} seed={run.seed}"
    print("\n".join(f"failed: {name}: {line}" for line in text.splitlines()), file=sys.stderr)
    return None
