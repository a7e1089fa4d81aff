"""`--search=optuna`: Optuna's tree-structured Parzen estimator suggests the trials, and a bad curve ends one early.

The study is a journal in the search's folder. Each trial is a run, or one for each seed, with its own directory.
"""

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.sweeps.plan import Point, plan, point_text
from vae_jax.sweeps.population import train_runs
from vae_jax.sweeps.search.curve import Pruned, Watched, reporting, score
from vae_jax.sweeps.search.space import Dimension, Range, corner, suggest
from vae_jax.system import disk, locks, signals
from vae_jax.types import Config

RANDOM = 5
"""The number of first trials that are drawn at random, and that are never pruned."""


class Search(NamedTuple):
    """A search, and how its runs are trained."""

    space: Mapping[str, Dimension]
    trials: int
    """The number of trials, with those of earlier commands."""
    seeds: Sequence[int]
    read: Callable[[Point], Config]
    """(overrides) -> validated config."""
    name: str
    """The name of the config file."""
    output: Path
    console: Watched
    stop_message: str


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
    folder = disk.make_folder("--output", given.output / _folder_name(given, first))
    with locks.locked(folder):
        study = _open(folder, max(1, first.num_epochs // 10))
        while (number := len(finished(study))) < given.trials:
            # Seeded by the trial: a search that is resumed does not draw the same numbers again.
            study.sampler = _sampler(given.seeds[0] + 1000 * number)
            trial = study.ask()
            point = suggest(trial, given.space, whole)
            given.console.line(f"\ntrial {number + 1} of {given.trials}: {point_text(point)}")
            _train(given, study, trial, point)
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


def _sampler(seed: int) -> Any:
    import optuna  # pyright: ignore[reportMissingImports]

    return optuna.samplers.TPESampler(n_startup_trials=RANDOM, seed=seed)


def _open(folder: Path, warmup: int) -> Any:
    """Open the study of a folder; a trial that was stopped does not count, and is the next one again."""
    import optuna  # pyright: ignore[reportMissingImports]
    from optuna.storages import journal  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(journal.JournalFileBackend(str(folder / "study.journal"))),
        study_name="search",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM, n_warmup_steps=warmup),
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


def _train(given: Search, study: Any, trial: Any, point: Point) -> None:
    """Train the runs of a trial, one for each seed, and record the mean of their scores; the first seed may be pruned."""
    import optuna  # pyright: ignore[reportMissingImports]

    states = optuna.trial.TrialState
    trial.set_user_attr("point", point_text(point))
    try:
        runs, scores = plan([point], given.seeds, given.read, given.name, given.output), []
        trial.set_user_attr("workdir", str(runs[0].workdir))
        for i, run in enumerate(runs):
            given.console.report = None if i else reporting(study, trial)
            ((_, outcome),) = train_runs([run], [[0]], given.console, given.stop_message)
            if isinstance(outcome, Exception):
                raise outcome
            scores.append(score(study, outcome))
    except signals.Stopped:
        raise
    except Pruned as pruned:
        given.console.line(str(pruned))
        study.tell(trial, state=states.PRUNED)
    except Exception as error:
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        given.console.line(f"failed: {point_text(point)}: {text}")
        trial.set_user_attr("failed", text)
        study.tell(trial, state=states.FAIL)
    else:
        study.tell(trial, statistics.fmean(scores))
