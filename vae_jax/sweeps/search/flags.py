"""The flags of a search, refused before anything is read or made."""

import argparse
import importlib.util

from vae_jax.errors import InputError, one_of
from vae_jax.sweeps.search.space import is_range

KINDS = ("grid", "optuna")
"""The values of --search."""


def check(flags: argparse.Namespace) -> None:
    """Raise InputError unless --search and the flags beside it fit together and its package is installed."""
    kind = one_of("--search", flags.search, KINDS)
    if kind == "grid":
        ranges = [text for text in flags.over if is_range(text)]
        if ranges:
            raise InputError(f"--over={ranges[0]}: a range needs --search=optuna; choices: a list, KEY=VALUE,VALUE,...")
        if flags.parallel > 1:
            raise InputError(f"--parallel={flags.parallel}: --search=grid has no trials; choices: --search=optuna")
        if flags.trials is not None:
            raise InputError(f"--trials={flags.trials}: --search=grid trains every point; choices: --search=optuna")
        return
    if flags.trials is None:
        raise InputError("--search=optuna: the number of trials is missing; write --trials=N")
    if flags.launcher == "local" and flags.parallel > 1:
        raise InputError(
            f"--parallel={flags.parallel}: --launcher=local trains one run at a time; choices: --launcher=ray, slurm"
        )
    if flags.population == "on":
        raise InputError("--population=on: --search=optuna trains one run at a time; choices: --population=off, auto")
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "--search=optuna: needs the package optuna; pip install 'vae_jax[optuna]'; choices: --search=grid"
        )
