"""The names that `import vae_jax` offers: training from a dict, and loading what it trained."""

import os
import pydoc
import re
import subprocess
import sys
import types

import pytest
from support.paths import ROOT

import vae_jax
import vae_jax.train
from vae_jax.config import from_values
from vae_jax.errors import InputError

TINY = {"hidden_dims": [16], "latent_dim": 3, "batch_size": 64, "num_epochs": 1, "log": {"tensorboard": False}}


@pytest.mark.slow
def test_a_dict_trains_a_run_that_is_loaded_again(tmp_path):
    results = vae_jax.train_and_evaluate(TINY, f"{tmp_path}/run")
    run = vae_jax.load_run(tmp_path / "run")
    assert results["test/elbo"] < 0
    assert run.config.to_dict() == from_values(TINY).to_dict()
    assert run.sample(2).shape == (2, 8, 8, 1)


def test_what_a_dict_trains_is_its_validated_config_in_a_path(tmp_path, monkeypatch, make_config):
    class Prepared(Exception):
        pass

    def prepared(config, ahead):
        raise Prepared(config)

    monkeypatch.setattr(vae_jax.train, "prepare", prepared)
    for config in (TINY, make_config(num_epochs=1, log__tensorboard=False)):
        with pytest.raises(Prepared) as ended:
            vae_jax.train_and_evaluate(config, str(tmp_path / "run"))
        assert ended.value.args[0].to_dict() == from_values(TINY).to_dict()


def test_a_wrong_dict_creates_nothing(tmp_path):
    with pytest.raises(InputError, match="did you mean latent_dim"):
        vae_jax.train_and_evaluate({"latnet_dim": 2}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tab_and_help_show_the_public_names_alone():
    assert dir(vae_jax) == sorted(vae_jax.__all__)
    page = pydoc.plain(pydoc.render_doc(vae_jax))
    assert all(re.search(rf"^    (class )?{name}\(", page, re.M) for name in vae_jax.__all__)
    assert "__getattr__" not in page
    assert "TYPE_CHECKING" not in page


def test_names_are_loaded_when_they_are_used_and_not_when_they_are_listed():
    code = "import sys, vae_jax; dir(vae_jax); assert not {'jax', 'flax', 'matplotlib'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_train_stays_the_module_and_names_are_those_that_are_listed():
    assert vae_jax.train_and_evaluate is vae_jax.train.train_and_evaluate
    assert isinstance(vae_jax.train, types.ModuleType)
    assert all(hasattr(vae_jax, name) for name in vae_jax.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        vae_jax.fit  # noqa: B018
