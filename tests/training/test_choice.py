"""The best checkpoint and early stopping, for every schedule that changes an objective while it is trained."""

import io
import itertools
import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from support.commands import digest
from support.models import sample_of
from support.objective import terms_of
from support.plain_runs import without_pictures

from vae_jax.models import make_model
from vae_jax.objectives import OBJECTIVES, kl
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate
from vae_jax.training import epochs
from vae_jax.training.prepare import Training
from vae_jax.training.session import Progress, Session, choice_lines, is_complete
from vae_jax.types import Spec

STEPS = 10  # as in `terms_of`
SCHEDULES: list[tuple[dict[str, Any], int, str]] = [
    ({"kl_warmup_epochs": 3.0}, 3, "the KL warm-up ends"),
    ({"kl_warmup_epochs": 2.5}, 3, "the KL warm-up ends"),
    ({"kl_warmup_epochs": 1.0, "kl_cycles": 3}, 5, "the last of 3 KL warm-ups ends"),
    ({"kl_warmup_epochs": 4.0, "free_bits": 0.1, "beta": 2.0}, 4, "the KL warm-up ends"),
    ({"capacity": 5.0, "capacity_epochs": 4.0}, 4, "the capacity is full"),
    ({"capacity": 5.0}, 0, ""),
    ({}, 0, ""),
]
"""Keys, the epoch from which the best checkpoint is chosen, and the event at that time."""
TAKING = [
    name for name, entry in OBJECTIVES.items() if {key.name for key in kl.KEYS} <= {key.name for key in entry.keys}
]
"""The objectives that have a schedule."""
WORSE, BETTER = (lambda epoch: float(epoch)), (lambda epoch: -float(epoch))
"""Validation losses, epoch by epoch."""


def trained(config, every: int = 1) -> Training:
    """Return what the end of an epoch reads of a run of 10 steps an epoch."""
    nothing: Any = dict.fromkeys(Training._fields)
    objective = OBJECTIVES[config.objective].make(config, STEPS)
    return Training(**nothing)._replace(
        config=config, objective=objective, steps_per_epoch=STEPS, checkpoint_epochs=every
    )


def opened(progress: Progress) -> Session:
    nothing: Any = dict.fromkeys(Session._fields)
    writer: Any = type("Writer", (), {"write": lambda *row: None})
    return Session(**nothing)._replace(progress=progress, writer=writer, console=Console(io.StringIO(), False))


def ended(monkeypatch, training: Training, loss, resumed: bool = False) -> tuple[int, dict[int, float | None]]:
    """Return the number of epochs, and the score of each saved one; a resumed run is read from JSON after every epoch."""
    saved: dict[int, float | None] = {}
    monkeypatch.setattr(epochs, "save", lambda _, session, score: saved.update({session.progress.step // STEPS: score}))
    session = opened(Progress())
    while not is_complete(training, session.progress):
        progress = session.progress._replace(step=session.progress.step + STEPS)
        value = loss(progress.step // STEPS)
        session = epochs.end_epoch(
            training, session._replace(progress=progress), {"val/loss": value, "val/elbo": -value}
        )
        if resumed:
            session = opened(Progress(**json.loads(json.dumps(session.progress._asdict()))))
    return session.progress.step // STEPS, saved


def best(saved: dict[int, float | None]) -> int:
    """Return the epoch that `Checkpoints` ranks first."""
    return max(saved, key=lambda epoch: (-math.inf if saved[epoch] is None else saved[epoch], epoch))


def test_the_objectives_with_a_schedule_are_known_and_others_have_none(make_config):
    assert TAKING == ["elbo", "factor"]
    for name in OBJECTIVES.keys() - TAKING:
        config = make_config(objective=name, model="ae" if name in ("denoising", "reconstruction") else "vae")
        assert OBJECTIVES[name].make(config, STEPS).stable_after_epoch == 0


@pytest.mark.parametrize("objective", TAKING)
@pytest.mark.parametrize(("changes", "first", "event"), SCHEDULES, ids=str)
def test_nothing_is_chosen_before_the_objective_is_stable(make_config, monkeypatch, objective, changes, first, event):
    """Validation becomes worse with every epoch, or better: the first or the last candidate is the best."""
    config = make_config(**changes, objective=objective, num_epochs=12)
    training, start = trained(config), max(first, 1)
    for resumed in (False, True):
        count, saved = ended(monkeypatch, training, WORSE, resumed)
        assert (count, best(saved)) == (12, start)
        assert [epoch for epoch, score in saved.items() if score is not None] == [*range(start, 13)]
        assert best(ended(monkeypatch, training, BETTER, resumed)[1]) == 12
        config.early_stopping = 2
        count, saved = ended(monkeypatch, training, WORSE, resumed)
        assert (count, best(saved)) == (start + 2, start)
        assert ended(monkeypatch, training, BETTER, resumed)[0] == 12
        config.early_stopping = 0

    line = f"the best checkpoint is chosen from epoch {first} on, when {event}"
    assert choice_lines(training, Progress())[1:] == ([line] if first else [])
    assert choice_lines(training, Progress(step=first * STEPS))[1:] == []
    config.early_stopping, config.num_epochs = 2, 2
    assert choice_lines(training, Progress())[1:] == (
        [f"{line}, and early stopping counts from there; num_epochs=2 is less, so it is the last one"] if first else []
    )


@pytest.mark.parametrize(("changes", "first", "event"), SCHEDULES, ids=str)
def test_the_last_epoch_is_a_candidate_even_off_schedule_and_the_only_one_of_a_shorter_run(
    make_config, monkeypatch, changes, first, event
):
    """Epochs 4, 8, 12 are saved, and the last one."""
    for count in (2, 6, 11):
        training = trained(make_config(**changes, num_epochs=count), every=4)
        for resumed in (False, True):
            _, saved = ended(monkeypatch, training, BETTER, resumed)
            assert list(saved) == [*range(4, count, 4), count]
            assert best(saved) == count
            assert (saved[count] is not None) == (count >= first)
            candidates = [epoch for epoch in saved if epoch >= first]
            assert best(ended(monkeypatch, training, WORSE, resumed)[1]) == min(candidates, default=count)


@pytest.mark.slow
@pytest.mark.parametrize("objective", TAKING)
@pytest.mark.parametrize(("changes", "first"), [case[:2] for case in SCHEDULES if case[1]], ids=str)
def test_the_loss_changes_before_that_epoch_and_not_after_it(make_config, key, changes, first, objective):
    config = make_config(**changes, objective=objective)
    spec = Spec((4, 3, 1))
    model, x = make_model(config, spec), jax.random.uniform(key, (8, *spec.shape))
    params = jax.jit(model.init)(key, sample_of(jnp.full(spec.shape, 0.5)))
    made = OBJECTIVES[objective].make(config, STEPS)
    params |= {} if made.init is None else {"objective": made.init(key, model, params)}
    loss = jax.jit(lambda step: terms_of(config, model, params, key, x, step)["loss"].mean())
    end = round(made.stable_after_epoch * STEPS)
    before, *after = (float(loss(step)) for step in (end - 1, end, end + 1, first * STEPS, 10_000))
    assert len(set(after)) == 1
    assert before != after[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "first", "event", "objective"),
    [(*case, name) for case, name in zip(SCHEDULES, itertools.cycle(TAKING), strict=False) if case[1]],
    ids=str,
)
def test_a_run_and_one_that_is_interrupted_stop_after_the_same_epoch_with_the_same_best(
    make_config, tmp_path, monkeypatch, capsys, changes, first, event, objective
):
    without_pictures(monkeypatch)
    common = changes | {"objective": objective, "early_stopping": 2, "checkpoint__every_epochs": 1, "latent_dim": 2}

    def run(name: str, counts: tuple[int, ...]) -> dict[str, Any]:
        losses = itertools.count(1.0)
        monkeypatch.setattr(
            epochs, "summarize_validation", lambda _: dict.fromkeys(("val/loss", "val/elbo"), next(losses))
        )
        results = {}
        for count in counts:
            config = make_config(**common, num_epochs=count, checkpoint__best_metric="val/loss")
            results = train_and_evaluate(config, tmp_path / name)
        return results

    straight = run("straight", (12,))
    assert (straight["best_epoch"], straight["epochs"]) == (first, first + 2)
    assert (
        f"chosen from epoch {first} on, when {event}, and early stopping counts from there\n" in capsys.readouterr().out
    )
    assert run("resumed", (2, 12)) == straight
    assert digest(tmp_path / "resumed") == digest(tmp_path / "straight")
