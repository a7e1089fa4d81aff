"""The config of a stranger: nothing in it acts on the machine of its reader, and nobody changes it on the way unseen."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import small_config

from vae_jax.artifacts import about
from vae_jax.artifacts.pretrained import folder as folder_lib
from vae_jax.artifacts.pretrained import foreign
from vae_jax.config import KEYS, defaults, flatten
from vae_jax.errors import InputError

PATH = Path("model/config.json")
OTHER: dict[type, Any] = {str: "/etc", bool: True, int: 2}
"""A value of each type that is no key's default, but for booleans."""
OF_A_MACHINE = [key for key in KEYS if key.name not in about.PORTABLE]
FACTS: dict[str, Any] = {"format": 1, "config": {"model": "vae", "activation": "tanh"}, "metrics": {"test/elbo": -24.5}}


def refusal(call) -> str:
    with pytest.raises(InputError) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def with_key(name: str, value: Any, **changes) -> dict[str, Any]:
    """Return a shared config that has this key too."""
    values = about.portable(small_config(**changes))
    *groups, leaf = name.split(".")
    place = values
    for group in groups:
        place = place.setdefault(group, {})
    place[leaf] = value
    return values


def test_the_keys_that_travel_are_those_of_the_model_and_of_its_checkpoint():
    names = {key.name for key in OF_A_MACHINE}
    assert names == {
        *("data_dir", "train_dir", "val_dir", "test_dir", "cache_dir", "skip_broken", "compilation_cache"),
        *("steps_per_dispatch", "streaming", "data_workers"),
        *("log.parameters", "log.profile", "log.tensorboard", "log.tracker", "log.latent_every_steps"),
    }
    assert not any(key.identity for key in OF_A_MACHINE)


@pytest.mark.parametrize("key", OF_A_MACHINE, ids=lambda key: key.name)
def test_a_key_of_the_readers_machine_is_refused_with_its_value(key):
    value = key.choices[-1] if key.choices else not key.default if key.kind is bool else OTHER[key.kind]
    line = refusal(lambda: foreign.config_of(with_key(key.name, value), PATH, ""))
    assert (
        line == f"{PATH}: refused, {key.name}={value}: a key of the reader's machine, which a shared model may not set"
    )
    # Its default does nothing, and a version that wrote it may be read.
    assert foreign.config_of(with_key(key.name, key.default), PATH, "").model == "vae"


def test_folders_are_refused_whatever_the_data_set_is(tmp_path):
    values = with_key("data_dir", "/etc", dataset="folder", split=(0.6, 0.2, 0.2)) | {"cache_dir": str(tmp_path)}
    assert "refused, data_dir=/etc: " in (line := refusal(lambda: foreign.config_of(values, PATH, "")))
    assert line.endswith("(and 1 more)")


@pytest.mark.parametrize("name", ["huggingface:evil/set", "kaggle:evil", "../sets", "/etc", "a/../../b", "", "mnist\n"])
def test_a_data_set_for_which_code_of_others_could_run_is_refused(name):
    assert "dataset=" in (line := refusal(lambda: foreign.config_of(with_key("dataset", name), PATH, "")))
    assert "not the name of a data set" in line or "control characters" in line


@pytest.mark.parametrize("name", ["emnist/letters", "imagenet_resized/32x32", "emnist/letters:3.1.0", "folder"])
def test_other_names_of_data_sets_are_taken_as_they_are(name):
    assert foreign.config_of(with_key("dataset", name), PATH, "").dataset == name


def test_a_key_that_a_file_lacks_takes_its_default():
    values = with_key("activation", "tanh")
    assert foreign.config_of(values, PATH, "").activation == "tanh"
    del values["activation"]
    assert foreign.config_of(values, PATH, "").activation == flatten(defaults())["activation"]


def write(folder: Path, facts: dict[str, Any], **form) -> Path:
    (folder / "config.json").write_text(json.dumps(facts, **form))
    return folder


@pytest.mark.parametrize(
    "alter",
    [
        lambda facts: facts["config"].pop("activation"),
        lambda facts: facts["config"].update(activation="relu"),
        lambda facts: facts["metrics"].update({"test/elbo": 0.0}),
        lambda facts: facts.update(more=1),
        lambda facts: facts.pop(folder_lib.SEAL),
        lambda facts: facts.update({folder_lib.SEAL: None}),
    ],
)
def test_a_content_that_is_not_that_of_its_hash_is_refused(alter, tmp_path):
    facts = json.loads(json.dumps(folder_lib.sealed(FACTS)))
    assert folder_lib.read(write(tmp_path, facts)) == facts
    alter(facts)
    line = refusal(lambda: folder_lib.read(write(tmp_path, facts)))
    path = tmp_path / "config.json"
    assert line == f"{path}: damaged or changed: its content is not that of its SHA-256; choices: a new copy"


def test_the_hash_is_of_the_content_and_not_of_its_layout(tmp_path):
    facts = folder_lib.sealed(FACTS | {"nan": float("nan"), "name": "ä"})
    write(tmp_path, dict(reversed(facts.items())), indent=3, ensure_ascii=False)
    assert folder_lib.read(tmp_path)["config"] == FACTS["config"]
