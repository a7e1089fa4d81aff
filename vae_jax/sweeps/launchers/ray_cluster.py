"""`--launcher=ray`: each run, or population of runs, is a task of a Ray cluster.

The cluster is the one of --ray_address or of RAY_ADDRESS; without both, Ray is started on this machine. Every machine needs
vae_jax and the folder --output.
"""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from vae_jax.errors import InputError
from vae_jax.sweeps.launchers.following import Machines, follow
from vae_jax.sweeps.launchers.launcher import Flag, Launcher, Sweep, least
from vae_jax.sweeps.launchers.task import Task, work
from vae_jax.sweeps.population import Outcome, plan_groups
from vae_jax.system import signals

PATIENCE = 30.0
"""The seconds in which a cluster must answer, and in which cancelled runs save."""
LOST = ("LocalRayletDied", "NodeDied", "ObjectLost", "OutOfMemory", "OwnerDied", "RaySystem", "WorkerCrashed")
"""The errors of Ray, without "Error", that say that a worker or its machine is lost; the run itself did not fail."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would report to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "Raylet is terminated|has been marked dead",  # pages of a dead node's state
}
"""Ray's own variables; those that are set already stay."""


def launch(sweep: Sweep) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcome of each run; see `following.follow`.

    Raises:
        InputError: the cluster does not answer within PATIENCE seconds.
    """
    join(sweep.flags["ray_address"] or os.environ.get("RAY_ADDRESS", ""), PATIENCE)
    import ray  # pyright: ignore[reportMissingImports]

    try:
        has = ray.cluster_resources()
        cpus, gpus = sweep.flags["ray_cpus"], sweep.flags["ray_gpus"]
        gpus = min(1.0, has.get("GPU", 0.0)) if gpus is None else gpus
        nodes = sum(node["Alive"] for node in ray.nodes())
        machines = f"{_count(nodes, 'machine')}, {_count(has.get('CPU', 0), 'CPU')}, {_count(has.get('GPU', 0), 'GPU')}"
        sweep.console.line(f"Ray: {machines}; a task takes {_count(cpus, 'CPU')}, {_count(gpus, 'GPU')}")
        if cpus > has.get("CPU", 0) or gpus > has.get("GPU", 0):
            sweep.console.line("no task fits on the machines that are there now; waiting for others")
        groups = plan_groups(sweep.runs, sweep.population, sweep.console, accelerator=gpus > 0)
        # Ray's own retries would leave no line here.
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(work)
        yield from follow(sweep, groups, _machines(ray, task, len(groups)), sweep.flags["ray_retries"])
    finally:
        ray.shutdown()


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'s' * (number != 1)}"


def _machines(ray: Any, task: Any, number: int) -> Machines:
    def ended(jobs: Sequence[Any]) -> Sequence[Any]:
        return ray.wait(list(jobs), num_returns=len(jobs), timeout=0.5)[0]

    def result(job: Any) -> list[Outcome] | str:
        try:
            return ray.get(job)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except ray.exceptions.RayError as error:
            if not type(error).__name__.startswith(LOST):
                raise
            reason, *_ = re.split(r"\n|\. ", str(error).strip())
            return f"{type(error).__name__}: {reason[:90]}"

    def leave(jobs: Sequence[Any]) -> str:
        for job in jobs:
            ray.cancel(job, force=False)  # an interrupt in the worker, which saves
        if jobs:
            ray.wait(list(jobs), num_returns=len(jobs), timeout=PATIENCE)
        return "the tasks on the Ray cluster are cancelled; each run keeps what it saved"

    def submit(tasks: Sequence[Task]) -> Sequence[Any]:
        return [task.options(name=each.name).remote(each) for each in tasks]

    return Machines(submit, ended, result, leave, at_once=number)


def join(address: str, patience: float) -> None:
    """Connect to the cluster at an address, such as `10.0.0.5:6379` or `auto`, or else start Ray on this machine.

    Raises:
        InputError: nothing answers within `patience` seconds.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)  # read when Ray is imported
    import ray  # pyright: ignore[reportMissingImports]

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address in ("", "local"):
        # In this thread, with which Ray's processes would end; the handlers that Ray sets are taken back.
        with signals.leaving():
            ray.init("local", include_dashboard=False, **quiet)
        return
    until, found = time.monotonic() + patience, []

    def connect() -> None:
        try:
            _knock(address, patience)
            ray.init(address, **quiet)
            found.append(None)
        except Exception as error:
            found.append(error)

    # In another thread, because Ray itself waits longer.
    connecting = threading.Thread(target=connect, daemon=True)
    connecting.start()
    connecting.join(max(0.0, until - time.monotonic()))
    if not found or found[0] is not None:
        reason = " ".join(str(found[0]).split())[:100] if found else f"nothing in {patience:g} s"
        raise InputError(
            f"--ray_address={address}: no Ray cluster answers: {reason}; choices: HOST:PORT of `ray start --head`, or leave it "
            "out, and RAY_ADDRESS unset, to start Ray on this machine"
        )


def _knock(address: str, patience: float) -> None:
    """Raise OSError unless a port of the address accepts a connection; a Ray that cannot connect may end the process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=patience).close()


LAUNCHER = Launcher(
    launch,
    "ray",
    (
        Flag("ray_address", str, "", "HOST:PORT", "the cluster to join (RAY_ADDRESS, or else Ray is started here)"),
        Flag("ray_cpus", least(0.0), 1.0, "N", "CPUs of a task (1)"),
        Flag("ray_gpus", least(0.0), None, "N", "GPUs of a task (1 if the cluster has any)"),
        Flag("ray_retries", least(0), 3, "N", "times that a lost task is sent again (3)"),
    ),
)
