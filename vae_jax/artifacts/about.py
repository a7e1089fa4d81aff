"""The facts about a trained model that go to others together with its weights."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.config import KEYS, defaults, flatten, nest
from vae_jax.models import parameter_table
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.types import Config, Params

OWN = ("folder", "arrays", "codes", "grain")
"""The data sets that are a person's own: neither their images nor the names of their classes are shown to others."""
PACKAGES = ("vae_jax", "jax", "flax", "numpy", "safetensors")
OF_TRAINING = ("num_epochs", "early_stopping")
OF_RECORDS = ("eval.", "checkpoint.")
"""The keys that choose the checkpoint of a run, beside those of its identity."""
PORTABLE = frozenset(
    key.name for key in KEYS if key.identity or key.name in OF_TRAINING or key.name.startswith(OF_RECORDS)
)
"""The keys that go to others. Any other key is of the machine that trains: a folder, a tracker, a cache, a way to read images."""


def sentence(run: Run) -> str:
    """Return the model, its networks, its likelihood and its data set in a line."""
    config = run.config
    return (
        f"{config.model}, {config.network} networks, {config.likelihood} likelihood, trained on {config.dataset}"
        + ", conditional: p(x given the class)" * (run.model.given is not None)
    )


def portable(config: Config) -> dict[str, Any]:
    """Return the part of the config that goes to others, nested: the keys of PORTABLE."""
    return nest({name: value for name, value in flatten(config).items() if name in PORTABLE}).to_dict()


def without_machine(config: Config) -> Config:
    """Return the config with every key of the machine that trained at its default."""
    return nest(flatten(defaults()) | flatten(portable(config)))


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
