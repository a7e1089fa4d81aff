"""Records per image on disk, and the estimates computed from them; the log weights here are made up."""

import contextlib
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vae_jax.errors import InputError
from vae_jax.evaluation import nll
from vae_jax.evaluation.estimators import Block
from vae_jax.evaluation.nll import record as room
from vae_jax.evaluation.nll import request
from vae_jax.evaluation.nll.record import partial_path
from vae_jax.models import make_model
from vae_jax.runs.run import Run
from vae_jax.system.console import Console
from vae_jax.types import Spec

FACTS = {
    **{
        "method": "importance",
        "samples": 20,
        "temperatures": 0,
        "seed": 0,
        "split": "test",
        "which": "best",
        "num_images": 19,
        "step": 7,
    },
    **{"params_digest": "p", "images_digest": "i", "quantity": "nll", "pixels": "dynamic", "likelihood": "bernoulli"},
    **{"dataset": "digits", "split_seed": 0, "num_elements": 64},
}
DECIDES_NOTHING = {"which", "quantity", "pixels", "likelihood", "dataset", "split_seed", "num_elements"}
"""The facts that do not affect the estimates beyond the digests of parameters and images."""
IMAGES = np.zeros((19, 8, 8, 1), np.uint8)


class Stop(Exception):
    """An exception in place of a signal."""


def source(images: np.ndarray, first: int, block: int = 3, shift: float = 0.0) -> Iterator[Block]:
    """Return log weights, drawn for image i with a generator of its own."""
    for start in range(0, len(images), block):
        numbers = range(first + start, first + min(start + block, len(images)))
        rows = [np.random.default_rng([7, i]).normal(-i, 1, 20) + shift * i for i in numbers]
        yield Block(first + start, np.stack(rows))


def take(path: Path, **changes) -> nll.Record:
    facts = FACTS | changes
    return nll.measure(source, IMAGES, nll.resume(path, facts)[0], path)


@pytest.fixture(autouse=True)
def pieces_of_four(monkeypatch):
    monkeypatch.setitem(room.PIECES, "importance", 4)


@pytest.mark.parametrize("images", [4, 7, 9])
def test_a_repeatedly_stopped_measurement_has_the_same_bits_as_an_uninterrupted_one(tmp_path, images):
    whole, path = tmp_path / "whole.npz", tmp_path / "nll.npz"
    take(whole)
    done = [0]
    while not path.exists():
        begun, note = nll.resume(path, FACTS)
        assert (begun.done, note) == (done[-1], "")
        with contextlib.suppress(Stop):
            nll.measure(source, IMAGES, begun, path, stopping_after(images))
        done.append(nll.resume(path, FACTS)[0].done)
        assert done[-1] > done[-2]
    assert {count % 4 for count in done[:-1]} == {0}
    assert len(done) > 3
    assert path.read_bytes() == whole.read_bytes()
    assert sorted(tmp_path.iterdir()) == [path, whole]


def stopping_after(images: int):
    """Return an `advance` that raises Stop after `images` images."""
    seen = 0

    def advance(count: int) -> None:
        nonlocal seen
        seen += count
        if seen > images:
            raise Stop

    return advance


def test_a_finished_measurement_is_not_repeated(tmp_path):
    path = tmp_path / "nll.npz"
    first = take(path)
    other = nll.resume(path, FACTS | {"seed": 1})[0]
    with pytest.raises(Stop):
        nll.measure(source, IMAGES, other, path, stopping_after(4))
    begun, note = nll.resume(path, FACTS)
    assert (begun.done, note) == (19, "")
    again = nll.measure(lambda *given: pytest.fail("weighed again"), IMAGES, begun, path)
    assert again.facts == first.facts == FACTS
    assert nll.resume(path, other.facts)[0].done == 4
    assert nll.resume(path, FACTS | {"a_later_versions_fact": 1})[0].facts["a_later_versions_fact"] == 1
    for one, other in zip((*first.estimates, first.trusted), (*again.estimates, again.trusted), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(FACTS.keys() - DECIDES_NOTHING))
def test_a_record_of_another_measurement_is_not_used(tmp_path, name):
    path = tmp_path / "nll.npz"
    with pytest.raises(Stop):
        nll.measure(source, IMAGES, nll.resume(path, FACTS)[0], path, stopping_after(9))
    assert nll.resume(path, FACTS)[0].done == 8
    begun, note = nll.resume(path, FACTS | {name: 1})
    assert begun.done == 0
    assert str(partial_path(path)) in note
    assert note.endswith(f"has other {name[:-7]}" if "digest" in name else f"has {name}={FACTS[name]}, not 1")
    assert nll.resume(path, FACTS | {"which": "latest"})[0].done == 8


@pytest.mark.parametrize("damage", ["cut", "text", "array", "objects", "short", "scalar", "nothing"])
def test_a_file_that_cannot_be_read_is_not_used(tmp_path, damage):
    path = tmp_path / "nll.npz"
    record = take(path)
    arrays: dict[str, Any] = record.estimates._asdict() | {"trusted": record.trusted} | dict(record.facts)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif damage == "text":
        path.write_text("a text")
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "objects":
        arrays["seed"] = np.array([{}], dtype=object)
        np.savez(path, **arrays)
    elif damage == "short":
        arrays["trusted"] = record.trusted[:-1]
        np.savez(path, **arrays)
    elif damage == "scalar":
        arrays["trusted"] = np.array(True)
        np.savez(path, **arrays)
    else:
        np.savez(path, nothing=0)
    assert nll.read(path) is None
    begun, note = nll.resume(path, FACTS)
    assert begun.done == 0
    assert "cannot be read" in note
    with pytest.raises(InputError, match=r"--against=.*its nll.npz cannot be read; vae-jax nll"):
        nll.read_other(tmp_path, "nll.npz", FACTS)
    take(path)
    assert nll.read(path) is not None


def test_estimates_do_not_depend_on_blocks_or_pieces(tmp_path, monkeypatch):
    one = take(tmp_path / "one.npz")
    monkeypatch.setitem(room.PIECES, "importance", 256)
    path = tmp_path / "two.npz"
    two = nll.measure(functools.partial(source, block=5), IMAGES, nll.resume(path, FACTS)[0], path)
    for ours, theirs in zip(one.estimates, two.estimates, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_mean_and_its_two_errors_agree_with_their_formulas(tmp_path):
    record = take(tmp_path / "nll.npz")
    found = nll.summarize(record)
    log_p, error = record.estimates.log_p, record.estimates.error
    assert found.metrics == {
        "test/iwae_20": log_p.mean(),
        "test/nll": -log_p.mean(),
        "test/bits_per_dim": -log_p.mean() / (64 * math.log(2)),
    }
    assert found.metric == "test/iwae_20"
    assert found.monte_carlo_error == pytest.approx(math.sqrt(sum(e**2 for e in error)) / 19)
    assert found.image_error == pytest.approx(log_p.std(ddof=1) / math.sqrt(19))
    assert list(found.curve) == [1, 10, 20]
    assert list(found.curve.values()) == sorted(found.curve.values())
    assert found.curve[20] == pytest.approx(log_p.mean())
    assert found.quantiles["ess"][0.5] == np.sort(record.estimates.ess)[9]
    assert found.untrusted == 1


def test_one_sample_and_one_image_have_no_error(tmp_path):
    facts = FACTS | {"samples": 1, "num_images": 1}
    path = tmp_path / "nll.npz"
    one = lambda images, first: iter([Block(first, np.full((1, 1), -3.0))])  # noqa: E731
    found = nll.summarize(nll.measure(one, IMAGES[:1], nll.resume(path, facts)[0], path))
    assert found.metrics["test/nll"] == 3
    assert math.isnan(found.monte_carlo_error)
    assert math.isnan(found.image_error)
    assert math.isnan(found.quantiles["pareto_k"][0.5])


def facts_of(make_config, request: nll.Request, images: np.ndarray = IMAGES, bias: float = 0.0, **changes):
    config = make_config(**changes)
    shape = images.shape[1:]
    return nll.facts_of(
        Run(config, make_model(config, Spec(shape)), {"bias": np.full(2, bias)}, Spec(shape), 7), request, images
    )


@pytest.mark.parametrize(
    ("changes", "metric", "words"),
    [
        ({"binarize": "dynamic"}, "test/iwae_20", []),
        ({"binarize": "static_seeded"}, "test/iwae_20", []),
        ({"likelihood": "discretized_logistic"}, "test/iwae_20", []),
        ({"likelihood": "levels"}, "test/iwae_20", []),
        ({"likelihood": "gaussian"}, "test/log_density_bound", ["gaussian", "density", "not an nll"]),
        ({"likelihood": "continuous_bernoulli"}, "test/log_density_bound", ["continuous_bernoulli", "not an nll"]),
        ({}, "test/grey_iwae_20", ["grey pixels", "bound", "not an nll"]),
    ],
)
def test_only_a_likelihood_over_discrete_pixels_has_an_nll(make_config, tmp_path, changes, metric, words):
    facts = facts_of(make_config, nll.Request(20), **changes)
    path = tmp_path / "nll.npz"
    found = nll.summarize(nll.measure(source, IMAGES, nll.resume(path, facts)[0], path))
    assert found.metric == metric
    assert ("test/nll" in found.metrics) == ("test/bits_per_dim" in found.metrics) == (not words)
    assert found.metrics[metric] == found.curve[20]
    assert bool(found.caveat) == bool(words)
    for word in words:
        assert word in found.caveat


def test_digests_differ_between_parameters_and_between_images(make_config):
    tell = functools.partial(facts_of, make_config, nll.Request(20))
    assert tell()["params_digest"] != tell(bias=1e-7)["params_digest"]
    image = IMAGES.copy()
    image[18, 7, 7, 0] = 1
    assert tell()["images_digest"] != tell(image)["images_digest"]
    assert tell() == tell()
    assert tell(np.zeros((19, 8, 8, 3), np.uint8))["pixels"] == "colour"


def test_every_split_of_a_binarised_run_is_binarised_with_the_same_draw(make_config):
    for split in ("test", "val", "train"):
        request = nll.Request(20, split)
        dynamic = nll.images_of(make_config(binarize="dynamic"), request)
        assert set(np.unique(dynamic)) == {0, 255}
        np.testing.assert_array_equal(dynamic, nll.images_of(make_config(binarize="static_seeded"), request))
    assert len(nll.images_of(make_config(), nll.Request(20, images=3))) == 3


@pytest.mark.parametrize(("split", "other"), [("test", "val"), ("val", "train"), ("train", "val")])
def test_annealing_is_tuned_on_other_images_than_it_estimates(make_config, monkeypatch, split, other):
    config, tuned = make_config(), []
    run = Run(config, make_model(config, Spec((8, 8, 1))), {}, Spec((8, 8, 1)), 7)

    def tune(model, params, key, images, *_):
        tuned.append(images)
        return np.ones(3, np.float32)

    monkeypatch.setattr(request, "tune_step_sizes", tune)
    monkeypatch.setattr(request, "make_ais", lambda *_: lambda *given: iter([given[3].sum()]))
    source = nll.make_source(run, nll.Request(2, split, images=5, method="ais", temperatures=3))
    assert not tuned  # a finished measurement needs no tuning
    assert [*source(IMAGES[:5], 0), *source(IMAGES[5:9], 5)] == [3, 3]
    [images] = tuned
    np.testing.assert_array_equal(images, nll.images_of(config, nll.Request(2, other))[: len(images)])
    assert len(images) == request.IMAGES_OF_TUNING


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (nll.Request(20), "nll.npz"),
        (nll.Request(10, images=3, seed=1), "nll.npz"),
        (nll.Request(20, "val"), "nll_val.npz"),
        (nll.Request(20, "train", "latest"), "nll_train_latest.npz"),
    ],
)
def test_every_split_and_checkpoint_has_its_own_file(request_, name):
    assert nll.file_name(request_) == name


def test_runs_are_compared_image_by_image(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    ours = take(tmp_path / "one" / "nll.npz")
    path = tmp_path / "two" / "nll.npz"
    nll.measure(functools.partial(source, shift=0.1), IMAGES, nll.resume(path, FACTS)[0], path)
    other = nll.read_other(tmp_path / "two", "nll.npz", FACTS | {"samples": 10, "seed": 3, "pixels": "static_seeded"})
    found = nll.compare(ours, other)
    differences = -0.1 * np.arange(19)
    assert found.difference == pytest.approx(differences.mean())
    assert found.error == pytest.approx(differences.std(ddof=1) / math.sqrt(19))
    assert nll.compare(other, ours).difference == -found.difference
    assert nll.compare(ours, ours) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "val"}, "split=test, not val"),
        ({"num_images": 5}, "num_images=19, not 5"),
        ({"quantity": "grey_bound"}, "quantity=nll, not grey_bound"),
        ({"images_digest": "j"}, "other images"),
        ({"images_digest": "j", "split_seed": 3}, "split_seed=0, not 3"),
        ({"images_digest": "j", "pixels": "static_seeded"}, "pixels=dynamic, not static_seeded"),
    ],
)
def test_comparison_with_a_run_measured_on_other_data_is_refused(tmp_path, changes, words):
    take(tmp_path / "nll.npz")
    with pytest.raises(InputError) as refused:
        nll.read_other(tmp_path, "nll.npz", FACTS | changes)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    asked = {"split": "val", "which": "latest", "method": "ais"}
    with pytest.raises(InputError, match=r"its n.npz is missing; .* --split=val --which=latest --method=ais writes it"):
        nll.read_other(tmp_path, "n.npz", FACTS | asked)


def test_annealing_has_no_share_of_untrusted_images(tmp_path):
    record = take(tmp_path / "nll.npz")
    assert nll.summarize(record).untrusted == 1
    assert math.isnan(nll.summarize(record._replace(facts=FACTS | {"method": "ais"})).untrusted)


def test_the_reason_for_the_other_runs_tighter_bound_is_printed(tmp_path, capsys):
    record = take(tmp_path / "nll.npz")
    other = record._replace(facts=FACTS | {"temperatures": 1000})
    nll.print_comparison(record, other, tmp_path, Console())
    assert "the other has 1,000 temperatures, not 0: with more of them a bound is tighter" in capsys.readouterr().out


def test_the_nll_of_a_pair_has_a_name_of_its_own(tmp_path):
    own = nll.summarize(take(tmp_path / "pair.npz", prior="learned afterwards")).metrics
    joint = nll.summarize(take(tmp_path / "joint.npz")).metrics
    assert own["test/pair_nll"] == joint["test/nll"]
    assert own["test/pair_bits_per_dim"] == joint["test/bits_per_dim"]
    assert not {"test/nll", "test/bits_per_dim"} & own.keys()
