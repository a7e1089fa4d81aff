"""Checkpoints of runs that lie on disk, evaluated: evaluation_best.json, evaluation_latest.json."""

import json
from pathlib import Path
from typing import Any, Literal

from vae_jax import results
from vae_jax import workdir as workdir_lib
from vae_jax.checkpoint import Checkpoints
from vae_jax.prepare import Prepared, prepare
from vae_jax.run import load_run


def evaluate_run(workdir: Path, which: Literal["best", "latest"]) -> tuple[Prepared, results.Measured, Path]:
    """Evaluate a checkpoint of a run that lies on disk; the numbers are written to evaluation_WHICH.json, the path.

    Raises:
        InputError: not a run, or one without an intact checkpoint; said before any data are read.
    """
    run = prepare(load_run(workdir, which).config)
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        measured = results.measure(run, checkpoints, which)
    facts = {"which": which, "step": measured.step, "epoch": measured.step / run.steps_per_epoch} | measured.facts
    path = workdir_lib.make_folder("--workdir", workdir) / f"evaluation_{which}.json"
    workdir_lib.write(path, json.dumps(facts, indent=2) + "\n")
    return run, measured, path


def at_latest(workdir: Path, concluded: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a concluded run's last checkpoint, `which` added: as they are if the best is the last, or were
    written before, else evaluated.

    Args:
        workdir: the run's.
        concluded: the content of its results.json, whose numbers are the best checkpoint's.
    """
    if concluded["best_epoch"] == concluded["epochs"]:
        return concluded | {"which": "latest"}
    try:
        values = json.loads((workdir / "evaluation_latest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = {}
    if values.get("step") != concluded["step"]:
        values = {"which": "latest", **evaluate_run(workdir, "latest")[1].facts}
    return concluded | values
