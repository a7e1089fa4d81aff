"""The training loop of a population: chunks and validation for all runs at once; scores, rows and checkpoints for each."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from vae_jax.randomness import epoch_order
from vae_jax.sweeps.population.members import Member, Outcome, conclude, settle
from vae_jax.sweeps.population.program import Program, make_program
from vae_jax.sweeps.population.progress import Common, advance_bar, print_epoch, start_bar
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.training.epochs import add_metrics, end_epoch, schedule, summarize_validation
from vae_jax.training.opening import announce
from vae_jax.training.prepare import prepare
from vae_jax.types import Config, Hparams, TrainState


def train_population(
    configs: Sequence[Config], workdirs: Sequence[Path], console: Console, stop_message: str
) -> list[Outcome]:
    """Train runs as one program, each in its workdir as if it were alone; evaluate and draw each.

    A complete run is not trained again. Runs at different steps wait until the last one has caught up. A run that is
    finished, by its epochs or early stopping, is neither changed nor saved again; when half are finished, the others
    continue as a smaller program. A run that fails keeps its checkpoints, and the others continue.

    Args:
        configs: validated configs, one group of `sweeps.groups`.
        workdirs: a directory for each run.
        console: gets a line per epoch for all runs, and a table for each run at the end.
        stop_message: the message of `Stopped`.

    Returns:
        The content of results.json for each run, or the exception that ended it.

    Raises:
        InputError: the common config does not fit the data or the devices.
        signals.Stopped: SIGINT or SIGTERM; the states are saved.
    """
    first = prepare(configs[0])
    announce(first, workdirs[0].parent, console)
    with signals.deferred() as stop, ExitStack() as files:
        quiet = Console(files.enter_context(Path(os.devnull).open("w")), interactive=False)
        members = [Member(workdir) for workdir in workdirs]
        for member, config in zip(members, configs, strict=True):
            with member.alone():
                files.callback(member.close)
                member.open(first, config, stop, quiet)
            if isinstance(member.outcome, dict):
                console.line(f"complete: {member.workdir}")
            member.tell(console)
        _fit(Common(first, stop, console, max(config.num_epochs for config in configs)), members)
        settle(members)
        if stop.signum is None:
            with signals.leaving(stop_message):
                conclude(members, console)
    if stop.signum is not None:
        raise signals.Stopped(stop.signum, stop_message)
    return [member.outcome for member in members if member.outcome is not None]


def _fit(common: Common, members: Sequence[Member]) -> None:
    """Train until every run is complete or has failed, or a stop is requested."""
    programs: dict[int, Program] = {}
    start_bar(common, [member.session.progress.step for member in members if member.training])
    try:
        while common.stop.signum is None and (active := [member for member in members if member.training]):
            step = min(member.session.progress.step for member in active)
            level = [member for member in active if member.session.progress.step == step]
            ahead = [member.session.progress.step for member in active if member.session.progress.step > step]
            if len(level) not in programs:
                programs[len(level)] = make_program(common.run, len(level))
            _advance(common, programs[len(level)], level, min(ahead, default=None))
    finally:
        common.run.feed.close()
        common.console.stop()


class _Level(NamedTuple):
    """Runs at the same step, trained as one program."""

    program: Program
    members: Sequence[Member]
    keys: Key[Array, " P"]
    """The keys of the training steps."""
    keys_eval: Key[Array, " P"]
    hparams: Hparams

    def running(self) -> list[tuple[int, Member]]:
        """Return (position, member) of the runs that are still trained."""
        return [(i, member) for i, member in enumerate(self.members) if member.training]


def _advance(common: Common, program: Program, members: Sequence[Member], until: int | None) -> None:
    """Train runs at the same step to the step `until`, or until half of them are finished, or a stop is requested."""
    state = program.stack([member.release() for member in members])
    keys, keys_eval = ([getattr(m.run, name) for m in members] for name in ("key_train", "key_eval"))
    hparams = program.stack_hparams([member.run.hparams for member in members])
    level = _Level(program, members, program.stack_keys(keys), program.stack_keys(keys_eval), hparams)
    step, steps, running = members[0].session.progress.step, common.run.steps_per_epoch, level.running()
    while common.stop.signum is None and 2 * len(running) > len(members) and step != until:
        left = steps - step % steps
        state, taken = _train(common, level, running, state, step, left if until is None else min(left, until - step))
        step += taken
        if taken and step % steps == 0:
            _end_epoch(common, level, running, state)
        running = level.running()
    for i, member in running:
        member.session = member.session._replace(state=program.take(state, i))


def _train(
    common: Common, level: _Level, running: Sequence[tuple[int, Member]], state: TrainState, step: int, left: int
) -> tuple[TrainState, int]:
    """Train at most `left` steps of the current epoch, fewer if a stop is requested; return (state, steps taken)."""
    run = common.run
    epoch, position = divmod(step, run.steps_per_epoch)
    size = len(run.dataset.train.images), run.config.batch_size
    orders = np.stack([epoch_order(member.run.config.seed, epoch, *size) for member in level.members])
    taken, pending = 0, None
    while taken < left and common.stop.signum is None:
        steps = min(level.program.most_steps, left - taken)
        rows = orders[:, position + taken : position + taken + steps]
        rows = rows.reshape(-1, size[1])
        images, labels = run.feed.images(rows, step + taken), run.feed.labels(rows)
        state, metrics = level.program.chunk(state, *images, level.keys, level.hparams, labels)
        taken += steps
        # As in a single run, metrics are fetched once the next chunk is dispatched, so that the device never waits.
        if pending is not None:
            _count(common, running, pending)
        pending = metrics
    if pending is not None:
        _count(common, running, pending)
    return state, taken


def _count(common: Common, running: Sequence[tuple[int, Member]], metrics: dict[str, Array]) -> None:
    values, last = jax.device_get(metrics), []
    for i, member in running:
        if member.outcome is None:
            with member.alone():
                own = {name: steps[i] for name, steps in values.items()}
                member.session = add_metrics(member.run, member.session, own)
                last.append({name: float(steps[-1]) for name, steps in own.items()})
    if last:
        advance_bar(common, running[0][1].session.progress.step, len(values["loss"][0]), last)


def _end_epoch(common: Common, level: _Level, running: Sequence[tuple[int, Member]], state: TrainState) -> None:
    """Validate all runs at once; score, log and save each; print one line."""
    running, printed = [(i, member) for i, member in running if member.outcome is None], []
    if not running:
        return
    run, progress = common.run, running[0][1].session.progress
    due = [schedule(member.run, progress) for _, member in running]  # the last epoch is each run's own
    evaluated = any(validated for validated, _ in due)
    found = level.program.evaluate(state, level.keys_eval, run.dataset.val, level.hparams) if evaluated else None
    for (i, member), (_, saved) in zip(running, due, strict=True):
        with member.alone():
            validated = None if found is None else summarize_validation(found.of(i))
            sums = member.session.progress.sums
            train = {f"train/{name}": total / run.steps_per_epoch for name, total in sums.items()}
            own = level.program.take(state, i) if saved else None
            ended = end_epoch(member.run, member.session._replace(state=own), validated)
            member.session = ended._replace(state=None)
            member.tell(common.console)
            if not member.training:
                member.keep(level.program.take(state, i))
            printed.append(train | (validated or {}))
    print_epoch(common, progress.step // run.steps_per_epoch, printed)
