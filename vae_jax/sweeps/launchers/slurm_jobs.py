"""Jobs of SLURM, sent by submitit. Their states are those of squeue, because not every cluster has sacct."""

import contextlib
import getpass
import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.sweeps.launchers.following import Machines
from vae_jax.sweeps.launchers.task import Task, work
from vae_jax.sweeps.population import Outcome
from vae_jax.system import disk

SECONDS_APART = 15.0
"""The least time between two calls of squeue, which all users of a cluster share."""
SECONDS_TO_SHOW = 30.0
"""The time in which the result of a job that has left the queue must appear; shared folders show files late."""


class Work:
    """The function of a job. submitit calls `checkpoint` before a time limit, and queues the job again."""

    def __call__(self, task: Task) -> list[Outcome] | str:
        """Train the runs of a task; see `task.work`."""
        return work(task)

    def checkpoint(self, task: Task) -> Any:
        """Return the job that continues this one: the same, because a run resumes from its own checkpoints."""
        import submitit  # pyright: ignore[reportMissingImports]

        return submitit.helpers.DelayedSubmission(self, task)


def jobs_of(executor: Any, folder: Path, at_once: int, say: Callable[[str], None]) -> Machines:
    """Return the functions by which tasks are jobs of one array; `folder` holds the files of submitit, `say` prints a line."""
    asked, gone = [-math.inf], {}

    def submit(tasks: Sequence[Task]) -> Sequence[Any]:
        found = _followed(folder, tasks)
        if found:
            say(f"in SLURM's queue from an earlier command: {_names(found.values())}")
        new = [i for i in range(len(tasks)) if i not in found]
        if new:
            found |= dict(zip(new, send(executor, [tasks[i] for i in new]), strict=True))
            say(f"sent to SLURM: {_names(found[i] for i in new)}; squeue shows what they wait for")
        _remember(folder, {tasks[i].log.stem: found[i].job_id for i in new})
        return [found[i] for i in range(len(tasks))]

    def ended(jobs: Sequence[Any]) -> Sequence[Any]:
        now = time.monotonic()
        if now > asked[0] + SECONDS_APART:
            asked[0], queue = now, _queue()
            for job in jobs if queue is not None else ():
                if job.job_id in queue:
                    gone.pop(job.job_id, None)  # squeue may leave out a job for a moment
                else:
                    gone.setdefault(job.job_id, now)
        for job in jobs:
            if job.job_id in gone:
                with contextlib.suppress(OSError):
                    os.utime(job.paths.folder)  # a change makes NFS look again
        given_up = {job_id for job_id, since in gone.items() if now > since + SECONDS_TO_SHOW}
        done = [job for job in jobs if job.job_id in given_up or job.paths.result_pickle.exists()]
        if not done:
            time.sleep(0.5)
        return done

    def result(job: Any) -> list[Outcome] | str:
        if not job.paths.result_pickle.exists():
            return f"job {job.job_id} left the queue without a result; its output: {job.paths.stderr}"
        return result_of(job)

    def leave(jobs: Sequence[Any]) -> str:
        if not jobs:
            return ""
        return f"still in SLURM's queue: {_names(jobs)} (scancel ends them); the same command follows them again"

    return Machines(submit, ended, result, leave, at_once)


def _names(jobs: Iterable[Any]) -> str:
    names = [f"job {job.job_id}" for job in jobs]
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} jobs, {names[0]} to {names[-1]}"


def send(executor: Any, tasks: Sequence[Task]) -> Sequence[Any]:
    """Return a job for each task; InputError if SLURM does not take them."""
    from submitit.core import utils  # pyright: ignore[reportMissingImports]

    try:
        return executor.map_array(Work(), list(tasks))
    except utils.FailedJobError as error:
        raise InputError(f"--launcher=slurm: SLURM refused the jobs: {' '.join(str(error).split())[:300]}") from error


def result_of(job: Any) -> list[Outcome] | str:
    """Return what a job that has ended returned, or, as text, how it was lost; raise its error."""
    from submitit.core import utils  # pyright: ignore[reportMissingImports]

    try:
        return job.result()
    except utils.UncompletedJobError as error:
        return f"job {job.job_id}: {str(error).strip().partition(chr(10))[0][:80]}"


def _queue() -> set[str] | None:
    """Return the jobs that SLURM has of this user, such as 7_0; None if it does not answer."""
    words = ["squeue", f"--user={getpass.getuser()}", "--array", "--noheader", "--format=%i"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return set(done.stdout.split()) if done.returncode == 0 else None


def _jobs(folder: Path) -> dict[str, str]:
    """Return the name of a task's first run -> its last job, as an earlier command left them."""
    try:
        return dict(json.loads((folder / "jobs.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _remember(folder: Path, jobs: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    disk.write(folder / "jobs.json", json.dumps(_jobs(folder) | jobs, indent=2) + "\n")


def _followed(folder: Path, tasks: Sequence[Task]) -> dict[int, Any]:
    """Return position -> the job of an earlier command that SLURM still has for a task.

    Raises:
        InputError: there is such a job, and SLURM does not answer.
    """
    import submitit  # pyright: ignore[reportMissingImports]

    jobs = _jobs(folder)
    known = {i: jobs[task.log.stem] for i, task in enumerate(tasks) if task.log.stem in jobs}
    queue = _queue() if known else set()
    if queue is None:
        raise InputError(
            "--launcher=slurm: squeue does not answer, and jobs of an earlier command may be there; try again"
        )
    return {i: submitit.SlurmJob(folder / "%j", job_id) for i, job_id in known.items() if job_id in queue}
