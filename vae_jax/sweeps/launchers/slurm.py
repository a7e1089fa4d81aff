"""`--launcher=slurm`: the runs are one job array of SLURM, sent by submitit; its files are in the folder `slurm` of --output.

After Ctrl-C the jobs stay in the queue, and the same command follows them again.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError, one_of
from vae_jax.sweeps.launchers.following import Machines, follow
from vae_jax.sweeps.launchers.launcher import Flag, Launcher, Sweep, least
from vae_jax.sweeps.launchers.task import Task, work
from vae_jax.sweeps.population import Outcome, plan_groups
from vae_jax.system import disk

CLUSTERS = ("slurm", "local")
RETRIES = 3
"""The times that a job is sent again that ended without a result."""
QUEUED = ("PENDING", "RUNNING", "REQUEUED", "CONFIGURING", "COMPLETING", "SUSPENDED", "RESIZING")
"""The states of SLURM in which a job has not ended."""


class Work:
    """The function of a job. submitit calls `checkpoint` before a time limit, and queues the job again."""

    def __call__(self, task: Task) -> list[Outcome] | str:
        """Train the runs of a task; see `task.work`."""
        return work(task)

    def checkpoint(self, task: Task) -> Any:
        """Return the job that continues this one: the same, because a run resumes from its own checkpoints."""
        import submitit  # pyright: ignore[reportMissingImports]

        return submitit.helpers.DelayedSubmission(self, task)


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
    executor = submitit.AutoExecutor(folder / "%j", cluster=cluster)
    given = {"slurm_partition": flags["slurm_partition"], "gpus_per_node": flags["slurm_gpus"] or None}
    executor.update_parameters(
        name="vae-jax-sweep",
        timeout_min=flags["slurm_minutes"],
        cpus_per_task=flags["slurm_cpus"],
        **({"slurm_array_parallelism": flags["slurm_at_once"]} if cluster == "slurm" else {}),
        **{name: value for name, value in given.items() if value},
    )
    groups = plan_groups(sweep.runs, sweep.population, sweep.console, accelerator=flags["slurm_gpus"] > 0)
    # SLURM has the whole queue; submitit's local processes would all start at once.
    at_once = len(groups) if cluster == "slurm" else 1
    yield from follow(sweep, groups, _machines(executor, folder, cluster, at_once), RETRIES)


def _machines(executor: Any, folder: Path, cluster: str, at_once: int) -> Machines:
    from submitit.core import utils  # pyright: ignore[reportMissingImports]

    def submit(tasks: Sequence[Task]) -> Sequence[Any]:
        found = {i: job for i, task in enumerate(tasks) if (job := _queued(folder, task, cluster)) is not None}
        new = [i for i in range(len(tasks)) if i not in found]
        if new:
            found |= dict(zip(new, executor.map_array(Work(), [tasks[i] for i in new]), strict=True))
        _remember(folder, {tasks[i].log.stem: found[i].job_id for i in new})
        return [found[i] for i in range(len(tasks))]

    def ended(jobs: Sequence[Any]) -> Sequence[Any]:
        done = [job for job in jobs if job.done()]
        if not done:
            time.sleep(0.5)
        return done

    def result(job: Any) -> list[Outcome] | str:
        try:
            return job.result()
        except utils.UncompletedJobError as error:
            return f"job {job.job_id}: {str(error).strip().partition(chr(10))[0][:80]}"

    def leave(jobs: Sequence[Any]) -> str:
        if cluster == "slurm":
            return f"{len(jobs)} jobs stay in the queue (scancel ends them); the same command follows them again"
        for job in jobs:
            job.cancel()
            with_time = time.monotonic() + 30
            while not job.done() and time.monotonic() < with_time:
                time.sleep(0.1)
        return "the processes are stopped; each run keeps what it saved"

    return Machines(submit, ended, result, leave, at_once)


def _jobs(folder: Path) -> dict[str, str]:
    """Return the name of a task's first run -> its last job, as an earlier command left them."""
    try:
        return dict(json.loads((folder / "jobs.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _remember(folder: Path, jobs: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    disk.write(folder / "jobs.json", json.dumps(_jobs(folder) | jobs, indent=2) + "\n")


def _queued(folder: Path, task: Task, cluster: str) -> Any:
    """Return the job of an earlier command that SLURM still has for this task, or None."""
    import submitit  # pyright: ignore[reportMissingImports]

    job_id = _jobs(folder).get(task.log.stem)
    if cluster != "slurm" or job_id is None:
        return None
    job = submitit.SlurmJob(folder / "%j", job_id)
    return job if job.watcher.get_state(job_id, mode="force").upper().startswith(QUEUED) else None


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
