"""Configs from Python: a dict or a Config means the same as the flags of a command line."""

import copy

import ml_collections
import pytest

from vae_jax.config import command_line, defaults, from_values, load_file
from vae_jax.errors import InputError


def refused(given) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_values(given)
    return str(caught.value).splitlines()


def flags(config: str, *words: str):
    """Return the config of a command line."""
    parsed = command_line.parse([f"--config={config}", *(f"--config.{word}" for word in words)])
    return command_line.read_file(parsed.config, parsed.overrides)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "base"),
        ({"latent_dim": 2, "beta": 2}, "base latent_dim=2 beta=2"),
        ({"log.parameters": True, "hidden_dims": [8, 4]}, "base log.parameters=true hidden_dims=8,4"),
        ({"log": {"parameters": True}, "hidden_dims": (8, 4)}, "base log.parameters=1 hidden_dims=(8,4)"),
        ({"data_dir": "~/x", "dataset": "arrays"}, "base data_dir=~/x dataset=arrays"),
        ({"config": "vae"}, "vae"),
        ({"config": "configs/vae.py", "seed": 3}, "vae seed=3"),
        ({"config": "vae", "objective": "importance"}, "vae objective=importance"),
        (ml_collections.ConfigDict({"latent_dim": 2}), "base latent_dim=2"),
        (load_file("iwae"), "iwae"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_of_python_are_those_of_a_command_line(given, words):
    before, config = copy.deepcopy(given), flags(*words.split())
    assert from_values(given).to_dict() == config.to_dict()
    assert given == before
    assert from_values(from_values(given)) == config


def test_a_key_of_a_config_that_nothing_reads_is_left_out_with_a_line_and_a_given_one_is_refused():
    lines = []
    config = from_values({"config": "dae", "objective": "reconstruction"}, lines.append)
    assert config.denoising.noise_std == defaults().denoising.noise_std
    assert lines == ["dae: left out, because nothing in this run reads them: denoising.noise_std"]
    (line,) = refused({"config": "dae", "objective": "reconstruction", "denoising.noise_std": 0.25})
    assert line.startswith("denoising.noise_std=0.25: only objective=denoising reads this key")
    (line,) = refused({"objective": "importance", "beta": 2})
    assert line.startswith("beta=2.0: only objective=elbo")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"latnet_dim": 2}, "latnet_dim=2: unknown key; did you mean latent_dim?"),
        ({"config": "vae", "latnet_dim": 2}, "latnet_dim=2: unknown key; did you mean latent_dim?"),
        ({"log": {"paramters": True}}, "log.paramters=True: unknown key; did you mean log.parameters?"),
        ({"latent_dim": {"x": 1}}, "latent_dim.x=1: unknown key"),
        ({"num_samples": 5}, "num_samples=5: this key is now importance.num_samples"),
        ({3: 4}, "3=4: unknown key"),
        (
            {"latent_dim": "2"},
            "latent_dim=2: expected a whole number, at least 1 and at most 2147483647 (dimensions), not str",
        ),
        ({"latent_dim": 0}, "latent_dim=0: not a whole number, at least 1"),
        ({"config": "vae", "latent_dim": 0}, "latent_dim=0: not a whole number, at least 1"),
        ({"config": "vae", "model": {"a"}}, "model={'a'}: expected a text, not set"),
        ({"model": "vea"}, "model=vea: unknown model; did you mean vae?; choices: "),
        ({"config": "vea"}, "--config=vea: no such config; choices: vae, "),
        ({"config": None}, "--config=None: no such config; choices: "),
        ({"config": ""}, "--config=: no such config; choices: "),
        (
            "vae",
            'config=vae: not a dict of keys and values, such as {"config": NAME, KEY: VALUE}, or a Config; ',
        ),
        (None, "config=None: not a dict of keys and values"),
        (["config", "vae"], "config=['config', 'vae']: not a dict of keys and values"),
        ({"config": 3}, "--config=3: no such config; choices: "),
        ({"config": ("vae", "\n")}, r"--config=('vae', '\n'): no such config; choices: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_dict_is_refused_in_one_line(given, line):
    (found,) = refused(given)
    assert found.startswith(line)


def test_all_problems_of_a_dict_are_listed_at_once():
    assert len(refused({"latent_dim": 0, "beta": -1, "latnet_dim": 3, "optimizer": "adm"})) == 4
