"""The command line that started a run: stored once, as it was given."""

import json

import pytest

from vae_jax.config import flatten
from vae_jax.runs import command
from vae_jax.runs.workdir import open_run, record

GIVEN = ["--config=configs/vae.py", "--config.seed=3", "--distributed=10.0.0.1:99,2,0", "--workdir=runs/a b"]


def test_a_new_run_stores_its_command_line_and_keeps_it_when_it_is_resumed(tmp_path, make_config):
    config = make_config(seed=3)
    with open_run(config, tmp_path, GIVEN):
        pass
    stored = command.read(tmp_path)
    assert stored is not None
    assert stored.arguments == (GIVEN[0], GIVEN[1], GIVEN[3])
    assert stored.config == json.loads(json.dumps(flatten(config)))
    longer = make_config(seed=3, num_epochs=9)
    with open_run(longer, tmp_path, ["--config=other.py"]):
        record(longer, tmp_path)
    assert command.read(tmp_path) == stored


def test_a_run_that_no_command_line_started_stores_none(tmp_path, make_config):
    with open_run(make_config(), tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["config.json"]
    assert command.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{half", "[]", "7", "{}", '{"arguments": 3, "config": {}}', "[" * 100_000])
def test_a_damaged_command_is_not_known(tmp_path, text):
    (tmp_path / command.FILE).write_text(text)
    assert command.read(tmp_path) is None
