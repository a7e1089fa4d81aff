"""Models pushed to a stand-in of the hub and pulled from it by huggingface_hub, and what it refuses, in one line each."""

import importlib
import os
import re
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from support.hub_stand_in import running
from support.pairs import pair_of
from support.paths import ROOT
from support.random_run import random_run

import vae_jax
from vae_jax.artifacts.pretrained import hub as hub_lib
from vae_jax.artifacts.pretrained import saving
from vae_jax.commands import share
from vae_jax.errors import InputError
from vae_jax.system.command import run_command

pytest.importorskip("safetensors", reason="pip install -e '.[hub]'")
huggingface_hub = pytest.importorskip("huggingface_hub", reason="pip install -e '.[hub]'")
constants = importlib.import_module("huggingface_hub.constants")


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Return a function (address, token) after which huggingface_hub asks this address, with an empty cache."""

    def ask(address: str, token: str = "") -> None:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        url = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setenv("HF_TOKEN", token)

    return ask


@pytest.fixture
def hub(client):
    with running() as hub:
        client(hub.url, "writer")
        yield hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a shared model without a picture."""
    path = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "picture", lambda run: {})
        vae_jax.save_pretrained(random_run((8, 8, 1)), path)
    (path / "notes.txt").write_text("not for others")
    return path


def refusal(call) -> str:
    with pytest.raises(InputError) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_pushed_model_is_pulled_with_the_same_bits_and_pickled_by_name_and_commit(hub, folder, tmp_path):
    assert hub_lib.push(folder, "me/digits") == f"{hub.url}/me/digits"
    ((_, first), (commit, files)) = hub.commits["me/digits"]
    assert list(first) == [".gitattributes"]
    shared = {"config.json", "README.md", "model.safetensors"}
    assert files.keys() == {*shared, ".gitattributes"}
    run = vae_jax.from_pretrained("me/digits")
    jax.tree.map(np.testing.assert_array_equal, run.params, vae_jax.from_pretrained(folder).params)
    assert run.workdir is not None
    assert run.workdir.is_relative_to(tmp_path / "cache")
    assert {path.name for path in run.workdir.iterdir()} == shared
    assert run.__reduce__() == (vae_jax.from_pretrained, ("me/digits", commit))
    # The commit is in the cache, so the hub is not asked again.
    hub.asked.clear()
    assert vae_jax.from_pretrained("me/digits", commit).step == 1
    assert hub.asked == []


def test_a_file_of_an_earlier_push_is_removed_and_other_files_are_neither_pushed_nor_pulled(hub, folder, tmp_path):
    hub.commit("me/digits", {"first.safetensors": b"old", "model.pkl": b"evil", "vae_jax.py": b"evil"})
    hub_lib.push(folder, "me/digits")
    assert hub.commits["me/digits"][-1][1].keys() == {
        *("model.pkl", "vae_jax.py"),
        *("config.json", "README.md", "model.safetensors"),
    }
    pulled = hub_lib.pull("me/digits")
    assert {path.name for path in pulled.iterdir()} == {"config.json", "README.md", "model.safetensors"}


def test_a_model_in_the_cache_is_loaded_without_the_hub(hub, folder, client):
    hub_lib.push(folder, "me/digits")
    pulled = hub_lib.pull("me/digits")
    client("http://127.0.0.1:1")
    assert hub_lib.pull("me/digits") == pulled
    assert re.match(
        "me/other: http://127.0.0.1:1 cannot be reached: ConnectError: ", refusal(lambda: hub_lib.pull("me/other"))
    )


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "does not know you, or has no such model (HTTP 401)"), ("reader", "gives no permission (HTTP 403)")],
)
def test_a_push_without_permission_is_refused_in_a_line(hub, client, folder, token, words):
    client(hub.url, token)
    expected = f"push=me/new: {hub.url} {words}; choices: a token that may write there: HF_TOKEN, or hf auth login"
    assert refusal(lambda: hub_lib.push(folder, "me/new")) == expected
    assert hub.commits == {}


def test_a_model_that_is_missing_private_or_of_another_commit_is_refused_in_a_line(hub, client, folder):
    hub.private.add("me/secret")
    hub_lib.push(folder, "me/secret")
    assert " has no such revision of this model" in refusal(lambda: vae_jax.from_pretrained("me/secret", "v2"))
    assert " has no such model (HTTP 404); choices: another name" in refusal(lambda: vae_jax.from_pretrained("me/none"))
    client(hub.url)
    assert " does not know you, or has no such model (HTTP 401)" in refusal(
        lambda: vae_jax.from_pretrained("me/secret")
    )
    hub.commit("me/broken", {"README.md": b"of another kind"})
    assert "not a shared model, it lacks config.json" in refusal(lambda: vae_jax.from_pretrained("me/broken"))


def test_a_hub_that_does_not_answer_is_left_after_a_while(client, folder, monkeypatch):
    monkeypatch.setattr(hub_lib, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client(address, "writer")
        for call in (lambda: hub_lib.push(folder, "me/new"), lambda: hub_lib.pull("me/new")):
            start = time.monotonic()
            assert f"{address} cannot be reached: ReadTimeout" in refusal(call)
            assert time.monotonic() - start < 5
    assert huggingface_hub.get_session().timeout.read is None  # as it was


def test_a_misspelt_folder_is_not_only_looked_up_on_the_hub(hub, client):
    line = refusal(lambda: vae_jax.from_pretrained("runs/shraed"))
    assert line.startswith(f"runs/shraed: no such folder; on the hub: {hub.url} has no such model (HTTP 404); ")
    client("http://127.0.0.1:1")
    line = refusal(lambda: vae_jax.from_pretrained("runs/shraed"))
    assert line.startswith("runs/shraed: no such folder; on the hub: http://127.0.0.1:1 cannot be reached: ")


def test_a_card_that_was_edited_on_the_hub_is_not_lost(hub, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "picture", lambda run: {})
    own, run = tmp_path / "own", vae_jax.from_pretrained(folder)

    def there() -> str:
        return hub.commits["me/digits"][-1][1]["README.md"].decode()

    def edit_there(text: str) -> None:
        hub.commit("me/digits", hub.commits["me/digits"][-1][1] | {"README.md": text.encode()})

    for license in ("mit", "apache-2.0"):  # a card as it was pushed is replaced
        vae_jax.save_pretrained(run, own, license)
        hub_lib.push(own, "me/digits")
        assert f'license: "{license}"' in there()
    (own / "README.md").write_text("Edited here.")
    for text in ("Edited here.", "Edited here again."):  # and one that was kept when it was pushed
        (own / "README.md").write_text(text)
        vae_jax.save_pretrained(run, own, card="keep")
        hub_lib.push(own, "me/digits")
        assert there() == text
    edit_there("Edited there.")
    line = refusal(lambda: hub_lib.push(own, "me/digits"))
    assert line == "push=me/digits: the card there was edited; choices: --card=keep, --card=replace"
    hub_lib.push(own, "me/digits", "keep")
    assert there() == "Edited there."
    hub_lib.push(own, "me/digits", "replace")
    assert there() == "Edited here again."
    # A card that somebody wrote before the first push.
    hub.commit("me/other", {"README.md": b"Of mine."})
    assert "the card there was edited" in refusal(lambda: hub_lib.push(own, "me/other"))


def test_a_name_that_the_hub_cannot_have_is_refused_before_the_run_is_read(capsys):
    flags = ["--workdir=nowhere", "--push=model"]
    assert run_command(lambda: share.main(flags)) == 2
    assert capsys.readouterr().err == "error: --push=model: not a name on the hub; choices: user/model\n"


@pytest.mark.slow
def test_a_pair_goes_over_the_hub_to_another_process_and_draws_the_same_samples(hub, tmp_path):
    run = pair_of(random_run((8, 8, 1)))
    vae_jax.save_pretrained(run, tmp_path / "shared", name="me/pair")
    hub_lib.push(tmp_path / "shared", "me/pair")
    code = "import sys, numpy, vae_jax; numpy.save(sys.argv[1], vae_jax.from_pretrained('me/pair').sample(5, 3))"
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    environment = os.environ | own
    command = [sys.executable, "-c", code, str(tmp_path / "samples.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), run.sample(5, 3))
