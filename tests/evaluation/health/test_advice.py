"""The advice of a report: every key in it is one that the command of the run, or of a pair's first run, takes."""

import re

import pytest

from vae_jax import config as config_lib
from vae_jax.config.command_line import overridden
from vae_jax.config.table import BY_NAME
from vae_jax.evaluation.health import Line, lines, make_fitting, verdicts
from vae_jax.models import against_dead_codes

PIXELCNN = {"likelihood": "pixelcnn", "binarize": "dynamic"}
RUNS = [
    {},
    {"beta": 0.0, "latent_dim": 1},
    {"capacity": 5.0},
    {"hidden_dims": ()},
    {"objective": "importance"},
    {"objective": "factor"},
    {"network": "conv", "latent_grid": 2},
    {"network": "conv", "latent_grid": 1},
    {"model": "two_layer"},
    {"model": "categorical"},
    {"model": "quantized"},
    {"model": "quantized", "vq__dead_below": 0.5},
    {"model": "quantized", "quantizer": "fsq"},
    {**PIXELCNN},
    {**PIXELCNN, "pixelcnn__layers": 1},
]


def advices(config) -> dict[str, str]:
    """Return every advice that a report may give, by the line that gives it."""
    dead = {verdicts.CODES_USED: f"more epochs, {against_dead_codes(config)}"} if config.model != "density" else {}
    return dead | {
        verdicts.UNITS: f"{lines.against_collapse(True)}, fewer pixelcnn.layers",
        verdicts.RATE: "a smaller latent_dim, if beta is right",
        verdicts.CODES: "a larger beta, a smaller latent_dim",
        verdicts.GAP: "more images, early_stopping, dropout",
        verdicts.AMORTISATION: "a smaller beta",
    }


def fitted(config, name: str, advice: str, verdict: str = verdicts.COLLAPSED) -> str:
    return make_fitting(config)(Line(name, "", verdict, advice=advice)).advice


def assert_taken(config, advice: str) -> None:
    """A command takes each key of an advice with a value that the advice asks for, which is not the run's own."""
    for part in re.split(", or |, ", advice):
        for name in [word for word in re.findall(r"[a-z_.]+", part) if word in BY_NAME][:1]:
            key, now = BY_NAME[name], config_lib.flatten(config)[name]
            if key.kind is str:
                return
            change = 0.5 if re.search("smaller|fewer", part) else 1.01
            value = key.kind(now * change) if now else key.kind(1 if key.kind is int else 0.1)
            assert value >= (key.kind is int), f"{name} is {now} already, and 0 switches it off"
            assert value != now or key.kind is int, part
            overridden(config, [(name, str(value))])


@pytest.mark.parametrize("changes", RUNS, ids=str)
def test_every_key_is_one_that_the_run_takes(make_config, changes):
    config = make_config(**changes)
    for name, advice in advices(config).items():
        assert_taken(config, fitted(config, name, advice))


def test_what_fits_stays_word_for_word(make_config):
    for name, advice in advices(make_config(**PIXELCNN)).items():
        assert fitted(make_config(**PIXELCNN), name, advice) == advice


def test_what_does_not_fit_is_left_out(make_config):
    units = f"{lines.against_collapse(True)}, fewer pixelcnn.layers"
    assert fitted(make_config(**PIXELCNN, pixelcnn__layers=1), verdicts.UNITS, units) == lines.against_collapse(True)
    assert fitted(make_config(capacity=5.0), verdicts.UNITS, units) == "a smaller beta"
    grid = make_config(network="conv", latent_grid=2)
    assert fitted(grid, verdicts.CODES, "a larger beta, a smaller latent_dim") == "a larger beta, a smaller latent_grid"
    assert fitted(make_config(beta=0.0), verdicts.AMORTISATION, "a smaller beta") == ""


@pytest.fixture
def pair(make_config, tmp_path):
    """Return a function (changes of the first run) -> its config, and that of a density of its codes."""

    def made(**changes):
        first = make_config(**changes)
        (tmp_path / "config.json").write_text(config_lib.to_json(first))
        return first, make_config(model="density", dataset="codes", data_dir=str(tmp_path))

    return made


@pytest.mark.parametrize("changes", RUNS, ids=str)
def test_the_keys_of_a_pair_are_those_of_its_density_and_then_of_its_first_run(pair, changes, tmp_path):
    first, density = pair(**changes)
    for name, advice in advices(first).items():
        found = fitted(density, name, advice)
        theirs = found.removesuffix(f" in the first run ({tmp_path})")
        own, _, rest = theirs.partition(", or ")
        if theirs == found:  # nothing of the first run
            assert_taken(density, found)
        else:
            assert_taken(density, own if rest else "")
            assert_taken(first, rest or own)


def test_a_pair_names_its_first_run(pair, tmp_path):
    first, density = pair(model="quantized")
    where = f"in the first run ({tmp_path})"
    dead = against_dead_codes(first)
    assert fitted(density, verdicts.CODES_USED, dead) == f"{dead} {where}"
    gap = fitted(density, verdicts.GAP, "more images, dropout", verdicts.OVERFITTING)
    assert gap == f"early_stopping, or more images, dropout {where}"
    assert fitted(density, verdicts.GAP, "more images", verdicts.UNDECIDED) == f"more images {where}"
    assert fitted(density, verdicts.GAP, "", verdicts.HEALTHY) == ""
    hole = fitted(density, verdicts.CODES, "a larger beta", verdicts.PRIOR_HOLE)
    assert hole == f"more epochs, another prior, or a larger beta {where}"
