"""`--search=optuna`: Optuna's tree-structured Parzen estimator suggests the trials, and a bad curve ends one early.

The study is a journal in the search's folder. Each trial is a run, or one for each seed, with its own directory.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.sweeps.plan import plan, point_text
from vae_jax.sweeps.search.space import Dimension, Range, corner, sides, suggest
from vae_jax.sweeps.search.trials import RANDOM, Search, assert_alike, bars_of, train_trials
from vae_jax.system import disk, locks
from vae_jax.types import Config


def search(given: Search) -> tuple[Any, Path]:
    """Train trials until there are as many as `given.trials`; return (Optuna's study, the search's folder).

    A trial that was stopped is trained further first. With the same seeds a search that was stopped ends as one that was not.

    Raises:
        InputError: a corner of the space is not a valid config, or another process continues this search.
        signals.Stopped: SIGINT or SIGTERM; the state of the run is saved.
    """
    first, last = (given.read(corner(given.space, end)) for end in (False, True))
    whole = _whole(given.space, config_lib.flatten(first))
    config_lib.run_name(last, given.name)
    for points in sides(given.space):  # every value is valid, and no two are the same run
        if len(points) > 1:
            assert_alike(
                [run.config for run in plan(points, given.seeds[:1], given.read, given.name, given.sweep.output)]
            )
    folder = disk.make_folder("--output", given.sweep.output / _folder_name(given, first))
    with locks.locked(folder):
        study = _open(folder)
        while (number := len(finished(study))) < given.trials:
            asked = []
            for i in range(min(given.parallel, given.trials - number)):
                # Seeded by the trial: a search that is resumed does not draw the same numbers again.
                study.sampler = _sampler((given.seeds[0] + 1000 * (number + i)) % 2**32, given.parallel > 1)
                trial = study.ask()
                point = suggest(trial, given.space, whole)
                given.sweep.console.line(f"\ntrial {number + i + 1} of {given.trials}: {point_text(point)}")
                asked.append((trial, point))
            train_trials(given, study, asked, bars_of(study, max(1, first.num_epochs // 10)))
    return study, folder


def _whole(space: Mapping[str, Dimension], flat: Mapping[str, Any]) -> dict[str, bool]:
    """Return name -> whether its key takes whole numbers, for the ranges; InputError if it takes no number."""
    whole = {}
    for name, found in space.items():
        if isinstance(found, Range):
            value = flat[found.key]
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(
                    f"--over={found.text}: {found.key} is not a number; choices: a list, KEY=VALUE,VALUE,..."
                )
            whole[name] = isinstance(value, int)
    return whole


def _folder_name(given: Search, first: Config) -> str:
    """Return the name of the folder: the config file, the keys, and a hash of the space, the seeds and the other keys."""
    identity = [*given.space.items(), *given.seeds, config_lib.run_name(first, given.name), first.num_epochs]
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:6]
    return f"search-{given.name}-{'-'.join(given.space).replace(':', '-')}-{digest}"


def _sampler(seed: int, parallel: bool) -> Any:
    import optuna  # pyright: ignore[reportMissingImports]

    return optuna.samplers.TPESampler(n_startup_trials=RANDOM, seed=seed, constant_liar=parallel)


def _open(folder: Path) -> Any:
    """Open the study of a folder; a trial that was stopped does not count, and is the next one again."""
    import optuna  # pyright: ignore[reportMissingImports]
    from optuna.storages import journal  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(journal.JournalFileBackend(str(folder / "study.journal"))),
        study_name="search",
        direction="maximize",
        load_if_exists=True,
    )
    for trial in study.trials:
        if trial.state.name == "RUNNING":
            # The next trial has its number, so its seed and its point: the run resumes.
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def finished(study: Any) -> list[Any]:
    """Return the trials that are complete, pruned or failed by themselves; not those that a signal stopped."""
    return [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED") or "failed" in t.user_attrs]
