"""The facts about a trained model that go to others together with its weights."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.config import flatten, nest
from vae_jax.models import parameter_table
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.types import Config, Params

PACKAGES = ("vae_jax", "jax", "flax", "numpy", "safetensors")


def sentence(run: Run) -> str:
    """Return the model, its networks, its likelihood and its data set in a line."""
    config = run.config
    return (
        f"{config.model}, {config.network} networks, {config.likelihood} likelihood, trained on {config.dataset}"
        + ", conditional: p(x given the class)" * (run.model.given is not None)
    )


def portable(config: Config) -> dict[str, Any]:
    """Return the config without the folders of the machine that trained."""
    return nest({name: value for name, value in flatten(config).items() if not name.endswith("_dir")}).to_dict()


def named(params: Params) -> dict[str, np.ndarray]:
    """Return every array of the parameters, by the name that `--config.log.parameters` prints."""
    names = [name for name, _, _ in parameter_table(params)]
    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves(params)]
    return dict(zip(names, leaves, strict=True))


def metrics(run: Run, workdir: Path) -> dict[str, Any]:
    """Return the numbers that results.json has for this checkpoint, and the kind of pixels they were measured on.

    Return nothing if its numbers belong to another checkpoint of the run."""
    results = results_of(run, workdir)
    return {name: value for name, value in results.items() if "/" in name or name in ("pixels", "bounds_on")}


def results_of(run: Run, workdir: Path) -> dict[str, Any]:
    """Return the content of results.json if it is of this checkpoint, else nothing."""
    results = workdir_lib.read_results(workdir)
    try:
        measured = round(results["best_epoch"] * results["step"] / results["epochs"])
    except (KeyError, TypeError, ZeroDivisionError):
        return {}
    return results if measured == run.step else {}
