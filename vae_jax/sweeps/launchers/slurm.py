"""`--launcher=slurm`: the runs are one job array of SLURM, sent by submitit; its files are in the folder `slurm` of --output.

After Ctrl-C the jobs stay in the queue, and the same command follows them again.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Any

from vae_jax.errors import InputError, one_of
from vae_jax.sweeps.launchers.following import Machines, follow
from vae_jax.sweeps.launchers.launcher import Flag, Launcher, Sweep, least
from vae_jax.sweeps.launchers.slurm_jobs import jobs_of, result_of, send
from vae_jax.sweeps.population import Outcome, plan_groups

CLUSTERS = ("slurm", "local")
RETRIES = 3
"""The times that a job is sent again that ended without a result."""
RESTARTS = 1000
"""The times that SLURM may queue a job again that reached its time limit."""


def launch(sweep: Sweep) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcome of each run; see `following.follow`.

    Raises:
        InputError: there is no SLURM on this machine.
    """
    import submitit  # pyright: ignore[reportMissingImports]

    flags, folder = sweep.flags, sweep.output.absolute() / "slurm"
    cluster = one_of(
        "--slurm_cluster", flags["slurm_cluster"] or os.environ.get("SUBMITIT_EXECUTOR", "slurm"), CLUSTERS
    )
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise InputError(
            "--launcher=slurm: there is no SLURM (sbatch, srun) on this machine; choices: run it where jobs are submitted, "
            "--slurm_cluster=local to try it without SLURM, --launcher=local"
        )
    executor = submitit.AutoExecutor(folder / "%j", cluster=cluster, slurm_max_num_timeout=RESTARTS)
    given = {"slurm_partition": flags["slurm_partition"], "gpus_per_node": flags["slurm_gpus"] or None}
    executor.update_parameters(
        name="vae-jax-sweep",
        timeout_min=flags["slurm_minutes"],
        cpus_per_task=flags["slurm_cpus"],
        **({"slurm_array_parallelism": flags["slurm_at_once"]} if cluster == "slurm" else {}),
        **{name: value for name, value in given.items() if value},
    )
    groups = plan_groups(sweep.runs, sweep.population, sweep.console, accelerator=flags["slurm_gpus"] > 0)
    machines = (
        jobs_of(executor, folder, len(groups), sweep.console.line) if cluster == "slurm" else _processes(executor)
    )
    yield from follow(sweep, groups, machines, RETRIES)


def _processes(executor: Any) -> Machines:
    """Return the functions for submitit's local processes, one at a time: all would start at once."""

    def ended(jobs: Sequence[Any]) -> Sequence[Any]:
        done = [job for job in jobs if job.done()]
        if not done:
            time.sleep(0.5)
        return done

    def leave(jobs: Sequence[Any]) -> str:
        for job in jobs:
            job.cancel()
            until = time.monotonic() + 30
            while not job.done() and time.monotonic() < until:
                time.sleep(0.1)
        return "the processes are stopped; each run keeps what it saved"

    return Machines(lambda tasks: send(executor, tasks), ended, result_of, leave, at_once=1)


LAUNCHER = Launcher(
    launch,
    "submitit",
    (
        Flag(
            "slurm_cluster", str, "", "NAME", "slurm, or local: processes of this machine (SUBMITIT_EXECUTOR, or slurm)"
        ),
        Flag("slurm_partition", str, "", "NAME", "the partition of the jobs (SLURM's default)"),
        Flag("slurm_minutes", least(1), 1440, "N", "time limit; a job that reaches it is queued again (1440)"),
        Flag("slurm_cpus", least(1), 4, "N", "CPUs of a job (4)"),
        Flag("slurm_gpus", least(0), 0, "N", "GPUs of a job (0)"),
        Flag("slurm_at_once", least(1), 256, "N", "the most jobs that run at a time (256)"),
    ),
)
