"""An objective with a critic: its parameters in a run, one step for both, and what a finished run keeps of it."""

import functools
import io
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import small_config
from jax.sharding import PartitionSpec
from support.models import sample_of
from support.plain_runs import without_pictures

from vae_jax.artifacts import about
from vae_jax.errors import InputError
from vae_jax.models import make_model, num_parameters
from vae_jax.objectives import make_objective
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.loading import load_run
from vae_jax.sweeps import groups
from vae_jax.sweeps.population import train_population
from vae_jax.system.console import Console
from vae_jax.system.devices import make_layout
from vae_jax.train import train_and_evaluate
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.prepare import joined, prepare
from vae_jax.training.step import make_hparams, make_init, make_train_step
from vae_jax.types import Batch, Context, Spec

SHAPE = (4, 3, 1)
FACTOR = {"objective": "factor", "factor__hidden_dims": (8,), "factor__learning_rate": 1e-2}
QUIET = {"log__tensorboard": False, "checkpoint__every_epochs": 1}


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (16, *SHAPE))


def make_parts(config, axis_name=None, accumulate_steps=1):
    """Return the initial state, and the step (state, x, key) -> (state, metrics)."""
    model = make_model(config, Spec(SHAPE))
    objective = make_objective(config, model, 10)
    optimizer = make_optimizer(config, 10, critic=objective.critic_rate is not None)
    step: Any = make_train_step(model, objective, optimizer, axis_name, accumulate_steps)
    state = jax.jit(make_init(model, objective, optimizer))(jax.random.key(1), sample_of(jnp.full(SHAPE, 0.5)))
    return state, functools.partial(step, hparams=make_hparams(config))


def assert_close(a, b, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol), a, b)


def assert_equal(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y)), a, b)


def moved(before, after) -> dict[str, float]:
    """Return the largest change of each part of params."""
    changes = jax.tree.map(lambda a, b: float(np.abs(np.asarray(a) - np.asarray(b)).max()), before, after)
    return {name: max(jax.tree.leaves(tree), default=0.0) for name, tree in changes.items()}


def test_the_models_initial_parameters_do_not_depend_on_the_objective(make_config):
    state, _ = make_parts(make_config(**FACTOR))
    params = dict(state.params)
    assert num_parameters(params.pop("objective")) == (3 * 8 + 8) + (8 + 1)
    assert_equal(params, make_parts(make_config())[0].params)


@pytest.mark.slow
def test_a_step_of_a_critic_without_a_penalty_is_the_elbos_step_for_the_model(make_config, key, x):
    # SGD, because Adam's first step shows the sign of a gradient and not its size.
    config = make_config(**FACTOR, factor__gamma=0.0, clip_norm=0.1, optimizer="sgd")
    state, step = make_parts(config)
    new, metrics = jax.jit(step)(state, x, key)
    elbo_state, elbo_step = make_parts(make_config(clip_norm=0.1, optimizer="sgd"))
    elbo, expected = jax.jit(elbo_step)(elbo_state, x, key)
    changes = moved(state.params, new.params)
    assert changes["objective"] > 1e-3
    params = dict(new.params)
    del params["objective"]
    assert_close(params, elbo.params, rtol=1e-6, atol=1e-8)
    assert_close({name: metrics[name] for name in expected}, expected)
    np.testing.assert_allclose(metrics["critic_loss"], np.log(2), atol=0.02)


def test_the_critic_has_its_own_rate_without_warm_up(make_config, key, x):
    state, step = make_parts(make_config(**FACTOR, warmup_epochs=5.0))
    run = jax.jit(step.func)
    hparams = step.keywords["hparams"]
    new, _ = run(state, x, key, hparams)
    assert moved(state.params, new.params)["encoder"] == 0, "the model's warm-up starts at 0"
    # Adam's first step is the rate times the sign of the gradient.
    np.testing.assert_allclose(moved(state.params, new.params)["objective"], 1e-2, rtol=1e-3)
    later, _ = run(new, x, key, hparams | {"factor.learning_rate": jnp.float32(0.0)})
    changes = moved(new.params, later.params)
    assert changes["objective"] == 0
    assert changes["encoder"] > 0


def test_the_critic_is_clipped_by_its_own_norm(make_config):
    config = make_config(**FACTOR, clip_norm=1.0)
    optimizer = make_optimizer(config, 10, critic=True)
    params = {"encoder": {"w": jnp.zeros(4)}, "likelihood": {}, "objective": {"w": jnp.zeros(4)}}
    state = optimizer.init(params)
    grads = {"encoder": {"w": jnp.full(4, 1e3)}, "likelihood": {}, "objective": {"w": jnp.full(4, 5.0)}}
    _, state = optimizer.update(grads, state, params)
    moments = sorted(float(leaf.max()) for leaf in jax.tree.leaves(state) if leaf.shape == (4,))
    # (1 - b2) g^2 and (1 - b1) g of the model, then of the critic. Each has the gradient 0.5, whose norm is 1.
    np.testing.assert_allclose(moments, sorted([1e-3 * 0.25, 0.1 * 0.5, 0.1 * 0.25, 0.5 * 0.5]), rtol=1e-4)


@pytest.mark.slow
def test_two_devices_train_the_same_as_one(make_config, key, x):
    state, step = make_parts(make_config(**FACTOR))
    layout = make_layout()
    assert jax.device_count() == 2
    spread = jax.jit(step, out_shardings=layout.replicated)(
        jax.device_put(state, layout.replicated), jax.device_put(x, layout.batch), key
    )
    assert_close(spread, jax.jit(step)(state, x, key), rtol=1e-4, atol=2e-5)


def parts_of(config, state, x, keys):
    """Return the mean of the metrics of parts of a batch, each a step of its own."""
    model = make_model(config, Spec(SHAPE))
    objective = make_objective(config, model, 10)

    def metrics(part, key):
        context = Context(state.step, make_hparams(config), True)
        terms = objective.terms(model, state.params, key, Batch(part), context)
        return {name: values.mean() for name, values in terms.items()}

    found = [jax.jit(metrics)(part, key) for part, key in zip(x, keys, strict=True)]
    return jax.tree.map(lambda *values: np.mean(values), *found)


@pytest.mark.slow
def test_under_shard_map_each_device_permutes_its_own_codes(make_config, key, x):
    config = make_config(**FACTOR)
    state, step = make_parts(config, "batch")
    spec = PartitionSpec
    sharded = jax.shard_map(
        step,
        mesh=make_layout().replicated.mesh,
        in_specs=(spec(), spec("batch"), spec()),
        out_specs=spec(),
        check_vma=False,
    )
    _, metrics = jax.jit(sharded)(state, x, key)
    keys = [jax.random.fold_in(jax.random.fold_in(key, 0), i) for i in range(2)]
    assert_close(metrics, parts_of(config, state, x.reshape(2, 8, *SHAPE), keys), rtol=1e-4)


@pytest.mark.slow
def test_each_accumulated_part_permutes_its_own_codes(make_config, key, x):
    config = make_config(**FACTOR)
    state, step = make_parts(config, accumulate_steps=2)
    _, metrics = jax.jit(step)(state, x, key)
    keys = jax.random.split(jax.random.fold_in(key, 0), 2)
    assert_close(metrics, parts_of(config, state, [x[0::2], x[1::2]], keys), rtol=1e-4)


def test_a_part_of_fewer_than_four_images_is_refused(make_config):
    with pytest.raises(InputError, match=r"batch_size=12: the objective needs 4 images in a part, and there are 3"):
        prepare(make_config(**FACTOR, batch_size=12, accumulate_steps=2))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a run of two epochs, called whole."""
    root = tmp_path_factory.mktemp("factor")
    train(root, "whole", 2)
    return root


def train(root, name, num_epochs) -> None:
    with pytest.MonkeyPatch.context() as patch, (root / f"{name}.txt").open("a") as out:
        without_pictures(patch)
        train_and_evaluate(small_config(**FACTOR, **QUIET, num_epochs=num_epochs), root / name, Console(out))


def latest(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    assert restored is not None
    return restored.state


@pytest.mark.slow
def test_a_resumed_run_has_the_same_bits_and_the_critics_moments_too(finished):
    for num_epochs in (1, 2):
        train(finished, "resumed", num_epochs)
    resumed, whole = latest(finished / "resumed"), latest(finished / "whole")
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(resumed["opt_state"])]
    assert sum("objective" in name for name in names) == 2 * 4, "two moments of two layers"
    assert_equal(resumed, whole)


def test_a_loaded_run_and_its_numbers_are_those_of_the_model_alone(finished):
    run = load_run(finished / "whole")
    assert sorted(run.params) == ["decoder", "encoder", "likelihood", "prior"]
    results = json.loads((finished / "whole" / "results.json").read_text())
    assert results["num_parameters"] == num_parameters(run.params)
    assert {"test/tc", "test/elbo", "test/loss"} <= results.keys()
    assert "test/critic_loss" not in results
    rows = [json.loads(line) for line in (finished / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert {"train/tc", "train/critic_loss", "val/tc"} <= rows[-1].keys()
    printed = (finished / "whole.txt").read_text()
    assert f"{num_parameters(run.params):,} parameters, and 41 of the objective" in printed


def test_exports_leave_the_critic_out(finished):
    names = about.named(load_run(finished / "whole").params)
    assert names
    assert not [name for name in names if "objective" in name]


def test_runs_that_differ_in_the_critics_rate_are_one_program(make_config):
    configs = [make_config(**FACTOR | changes) for changes in ({}, {"factor__learning_rate": 3e-3}, {"seed": 4})]
    assert groups(configs) == [[0, 1, 2]]
    first = prepare(configs[0])
    state = joined(first, configs[2]).state
    assert moved(first.state.params, state.params)["objective"] > 0


@pytest.mark.slow
def test_a_population_trains_each_critic_as_if_it_were_alone(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    configs = [small_config(**FACTOR | QUIET | {"num_epochs": 2, "seed": 1})]
    configs.append(small_config(**FACTOR | QUIET | {"num_epochs": 2, "seed": 2, "factor__learning_rate": 3e-3}))
    console = Console(io.StringIO())
    outcomes = train_population(configs, [tmp_path / "a", tmp_path / "b"], console, "stop")
    for name, config, outcome in zip("ab", configs, outcomes, strict=True):
        assert isinstance(outcome, dict)
        train_and_evaluate(config, tmp_path / f"{name}-alone", console)
        assert_close(latest(tmp_path / name), latest(tmp_path / f"{name}-alone"), rtol=1e-3, atol=1e-4)
