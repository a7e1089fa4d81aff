"""`--launcher=local`: one run, or one population of runs, after another, in this process."""

from collections.abc import Iterator

from vae_jax.sweeps.launchers.launcher import Launcher, Sweep
from vae_jax.sweeps.population import Outcome, plan_groups, train_runs
from vae_jax.system import devices


def launch(sweep: Sweep) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcome of each run; see `train_runs`."""
    for run in sweep.runs:
        devices.keep_memory(run.config)
    groups = plan_groups(sweep.runs, sweep.population, sweep.console)
    return train_runs(sweep.runs, groups, sweep.console, sweep.stop_message)


LAUNCHER = Launcher(launch)
