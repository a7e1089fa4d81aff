"""The trials of a search: their runs on a launcher, their curves and results in the study."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.errors import InputError
from vae_jax.sweeps.curve import Bars, Pruned, curve_of, metric_of, score_of
from vae_jax.sweeps.launchers import Sweep
from vae_jax.sweeps.plan import Planned, Point, plan, point_text
from vae_jax.sweeps.population import Outcome
from vae_jax.sweeps.results import assert_not_longer
from vae_jax.sweeps.search.space import Dimension
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
    launch: Callable[[Sweep], Iterator[tuple[int, Outcome]]]
    """The function of the launcher."""
    sweep: Sweep
    """The argument of `launch`, but for the runs."""
    parallel: int = 1
    """The number of trials that are suggested, and trained, together."""


def bars_of(study: Any, warmup: int) -> Bars | None:
    """Return the median curve of the complete trials after `warmup` epochs; None while there are fewer than RANDOM.

    This is Optuna's median pruner, decided before a trial starts and not while it runs, so that it can run elsewhere.
    """
    curves = [trial.intermediate_values for trial in study.trials if trial.state.name == "COMPLETE"]
    if len(curves) < RANDOM:
        return None
    epochs = sorted({epoch for curve in curves for epoch in curve if epoch > warmup})
    medians = {epoch: statistics.median(curve[epoch] for curve in curves if epoch in curve) for epoch in epochs}
    return Bars(study.user_attrs["metric"], medians)


def assert_alike(configs: Sequence[Config]) -> None:
    """Raise InputError unless the elbos of all configs measure the same quantity, so that trials can be compared."""
    for name in ("likelihood", "binarize", "condition", "dataset"):
        values = sorted({str(config[name]) for config in configs})
        if len(values) > 1:
            raise InputError(
                f"--over: {name}={' and '.join(values)} measure different quantities; choices: a search for each, --search=grid"
            )


def train_trials(given: Search, study: Any, asked: Sequence[tuple[Any, Point]], bars: Bars | None) -> None:
    """Train the runs of trials, and record the mean of the scores of each over its seeds; the first seed may be pruned."""
    planned: dict[int, list[Planned]] = {}
    refused: dict[int, Exception] = {}
    outcomes: dict[Path, Outcome] = {}
    for trial, point in asked:
        trial.set_user_attr("point", point_text(point))
        try:
            runs = plan([point], given.seeds, given.read, given.name, given.sweep.output)
        except InputError as error:
            refused[trial.number] = error
            continue
        trial.set_user_attr("workdir", str(runs[0].workdir.absolute()))
        planned[trial.number] = [runs[0]._replace(bars=bars), *runs[1:]]
    _launch(given, [runs[0] for runs in planned.values()], outcomes)
    going = [runs for runs in planned.values() if isinstance(outcomes[runs[0].workdir], dict)]
    _launch(given, [run for runs in going for run in runs[1:]], outcomes)
    for trial, _ in asked:  # at the end, so that a batch which was stopped is suggested again as it was
        if trial.number in refused:
            _fail(given, study, trial, refused[trial.number])
        else:
            _record(given, study, trial, planned[trial.number], outcomes)


def _launch(given: Search, runs: Sequence[Planned], outcomes: dict[Path, Outcome]) -> None:
    """Train runs that have no outcome yet; two trials of the same point are one run."""
    new = list({run.workdir: run for run in runs if run.workdir not in outcomes}.values())
    if new:
        for place, outcome in given.launch(given.sweep._replace(runs=new)):
            outcomes[new[place].workdir] = outcome


def _record(given: Search, study: Any, trial: Any, runs: Sequence[Planned], outcomes: Mapping[Path, Outcome]) -> None:
    """Tell the study the curve and the result of a trial."""
    import optuna  # pyright: ignore[reportMissingImports]

    ended = [outcomes[run.workdir] for run in runs if run.workdir in outcomes]
    errors = [outcome for outcome in ended if isinstance(outcome, Exception)]
    found = [outcome for outcome in ended if isinstance(outcome, dict)]
    try:
        if errors and not isinstance(errors[0], Pruned):
            raise errors[0]
        for run, values in zip(runs, found, strict=False):
            assert_not_longer(run, values)
        metric = study.user_attrs["metric"] if errors else metric_of(study, found[0])
        for epoch, score in curve_of(runs[0].workdir, metric).items():
            trial.report(score, epoch)
        if errors:
            given.sweep.console.line(str(errors[0]))
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            score = statistics.fmean(score_of(metric_of(study, one), one) for one in found)
            if not math.isfinite(score):
                raise InputError(f"{metric} is {score}")
            study.tell(trial, score)
    except Exception as error:
        _fail(given, study, trial, error)


def _fail(given: Search, study: Any, trial: Any, error: Exception) -> None:
    import optuna  # pyright: ignore[reportMissingImports]

    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    given.sweep.console.line(f"failed: {trial.user_attrs['point']}: {text}")
    trial.set_user_attr("failed", text)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
