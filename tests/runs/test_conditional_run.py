"""A conditional run from its first step to its page: resumed bit for bit, joined with others, and refused where it must be."""

import json
import shutil

import jax
import numpy as np
import pytest
from support.models import sample_of
from support.random_run import random_run

from vae_jax import data, load_run, train
from vae_jax.commands import evaluate
from vae_jax.config import defaults, flatten, nest
from vae_jax.data.labels import assert_labelled, listed
from vae_jax.errors import InputError
from vae_jax.evaluation import nll
from vae_jax.models import make_model
from vae_jax.runs.checkpoint.ownership import assert_same_classes
from vae_jax.runs.pieces import as_labels
from vae_jax.runs.run import Run
from vae_jax.types import Spec

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
LABELS = np.array([3, 0, 9, 3, 7], np.int32)


@pytest.fixture(scope="module")
def run():
    config = nest(flatten(defaults()) | {"condition": "label", "latent_dim": 3, "hidden_dims": (16,)})
    spec = Spec((8, 8, 1), 10, 100, tuple("abcdefghij"))
    model = make_model(config, spec)
    params = jax.jit(model.init)(jax.random.key(0), sample_of(np.full((8, 8, 1), 0.5, np.float32)))
    return Run(config, model, jax.tree.map(lambda leaf: leaf * 3, params), spec, 1)


def test_a_run_takes_classes_by_number_and_by_name(run):
    posterior = run.encode(IMAGES, LABELS)
    np.testing.assert_array_equal(posterior.mean, run.encode(IMAGES, [run.class_names[k] for k in LABELS]).mean)
    assert np.abs(posterior.mean - run.encode(IMAGES, "a").mean).max() > 1e-4
    z = run.latents(IMAGES, LABELS)
    np.testing.assert_array_equal(z, posterior.mean)
    np.testing.assert_allclose(run.reconstruct(IMAGES, LABELS), run.decode(z, LABELS), atol=1e-6)
    assert run.kl_terms(IMAGES, LABELS).shape == run.sample_posterior(IMAGES, labels=LABELS).shape == (5, 3)


def test_text_is_a_name_and_never_a_position_where_names_are_numbers():
    names = ("1", "2", "3")
    np.testing.assert_array_equal(as_labels(["1", "3"], 2, names), [0, 2])
    np.testing.assert_array_equal(as_labels([0, 2], 2, names), [0, 2])
    np.testing.assert_array_equal(as_labels("1", 1, ("ant", "bee")), [1])
    with pytest.raises(InputError, match="label=0: no such class; choices: 1, 2, 3"):
        as_labels("0", 1, names, "label")


def test_samples_of_a_class_do_not_depend_on_their_number(run):
    few, many = run.sample(3, label=4), run.sample(20, label="e")
    np.testing.assert_allclose(few, many[:3], atol=1e-6)
    assert np.abs(few - run.sample(3, label=5)).max() > 1e-3
    mixed = run.sample(3, label=[4, 5, 4])
    np.testing.assert_allclose(mixed[[0, 2]], few[[0, 2]], atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.encode(IMAGES), "labels: missing, and the run is conditional .*; choices: a, b, c"),
        (lambda run: run.sample(2), "label: missing, .*choices: a, b"),
        (lambda run: run.sample(2, label="dog"), "label=dog: no such class; choices: a, b"),
        (lambda run: run.decode(np.zeros((2, 3)), 10), "labels=10: no such class; choices: a, b"),
        (lambda run: run.latents(IMAGES, [1, 2]), r"labels has shape \(2,\); give one for each of 5 rows"),
        (lambda run: run.latents(IMAGES, 0.5), "labels=0.5: no such class"),
        (lambda run: run.sample(1, label=float("nan")), "label=nan: no such class"),
        (lambda run: run.sample(1, label=True), "label=True: no such class"),
        (lambda run: run.sample(1, label="9" * 5000), "label=9+.*: no such class"),
    ],
    ids=range(9),
)
def test_labels_that_are_missing_or_no_classes_are_refused(run, call, message):
    with pytest.raises(InputError, match=message):
        call(run)


def test_a_run_that_is_not_conditional_takes_no_labels():
    plain = random_run((8, 8, 1))
    for call in (lambda: plain.sample(2, label=3), lambda: plain.encode(IMAGES, LABELS)):
        with pytest.raises(
            InputError, match=r"the run is not conditional, so it takes none; choices: .* condition=label"
        ):
            call()
    assert plain.labels_of(data.load(plain.config), "test") is None
    assert plain.class_names == ()


def test_other_classes_than_those_of_the_run_are_refused(run):
    with pytest.raises(InputError, match=r"trained with the classes a, b, .*, j, and the data have x"):
        assert_same_classes(run.config, run.spec, ("x",))
    assert_same_classes(run.config, run.spec, tuple("abcdefghij"))
    assert listed([str(k) for k in range(30)]).endswith("19, ...")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"model": "two_layer"}, {"model": "ae", "objective": "reconstruction"}], ids=str
)
def test_a_run_that_was_resumed_has_the_same_bits_and_its_numbers_say_that_they_are_conditional(
    make_config, tmp_path, changes
):
    config = make_config(condition="label", num_epochs=2, checkpoint__every_epochs=1, **changes)
    whole = train.train_and_evaluate(config, tmp_path / "whole")
    first = make_config(condition="label", num_epochs=1, checkpoint__every_epochs=1, **changes)
    train.train_and_evaluate(first, tmp_path / "parts")
    parts = train.train_and_evaluate(config, tmp_path / "parts")
    assert "left_out" not in whole
    assert {name: whole[name] for name in whole if "/" in name} == {name: parts[name] for name in parts if "/" in name}
    assert whole["condition"] == "label"
    assert (tmp_path / "whole" / "figures" / "samples.png").exists() == (
        "model" not in changes or changes["model"] != "ae"
    )
    streamed = make_config(condition="label", num_epochs=2, checkpoint__every_epochs=1, streaming="on", **changes)
    train.train_and_evaluate(streamed, tmp_path / "streamed")
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts", "streamed")]
    losses = [[json.loads(line)["train/loss"] for line in text.splitlines()] for text in rows]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], losses[2], rtol=1e-5)
    if changes.get("model") != "ae":
        loaded = load_run(tmp_path / "whole")
        images, labels = nll.split_of(loaded, nll.Request(10))
        assert nll.facts_of(loaded, nll.Request(10), images, labels)["quantity"] == "grey_bound_given_y"
        plain = make_config(num_epochs=1, **changes)
        assert nll.split_of(random_run((8, 8, 1)), nll.Request(10))[1] is None
        assert data.load(plain).class_names == loaded.class_names
    shutil.rmtree(tmp_path / "streamed")


def file_of(folder, names):
    """Write an .npz of 30 images of each class, and return the keys that read it."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.array(names), 30)
    np.savez(folder / "data.npz", images=rng.integers(0, 256, (len(y), 6, 6), np.uint8), labels=y)
    return {"dataset": "arrays", "data_dir": str(folder / "data.npz"), "cache_dir": str(folder / "cache")}


def test_negative_labels_of_a_file_are_unknown_and_refused(make_config, tmp_path):
    config = make_config(condition="label", **file_of(tmp_path, [0, 1, -1]))
    with pytest.raises(InputError, match=r"condition=label: \d+ of \d+ train images have no label"):
        assert_labelled(data.load(config), config)
    plain = make_config(**file_of(tmp_path, [0, 1, -1]))
    assert data.load(plain).class_names == ("-1", "0", "1")


@pytest.mark.slow
@pytest.mark.parametrize("names", [[1, 2, 4], [1, 2, 3, 4]], ids=["renamed", "added"])
def test_a_run_refuses_data_with_other_classes_in_one_line(make_config, tmp_path, capsys, names):
    keys = file_of(tmp_path, [1, 2, 3]) | {"batch_size": 16}
    train.train_and_evaluate(make_config(condition="label", num_epochs=1, **keys), tmp_path / "run")
    file_of(tmp_path, names)
    before = (tmp_path / "run" / "results.json").read_bytes()
    capsys.readouterr()
    for command in (
        lambda: evaluate.main([f"--workdir={tmp_path / 'run'}"]),
        lambda: train.train_and_evaluate(make_config(condition="label", num_epochs=2, **keys), tmp_path / "run"),
    ):
        with pytest.raises(
            InputError, match=r"^condition=label: the run was trained with the classes 1, 2, 3, and .*$"
        ):
            command()
    assert (tmp_path / "run" / "results.json").read_bytes() == before
    assert not (tmp_path / "run" / "evaluation_best.json").exists()
