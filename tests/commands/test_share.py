"""A run as a folder for others, and on the hub."""

import sys
import types

import jax
import numpy as np
import pytest
from support.random_run import random_run

import vae_jax
from vae_jax.artifacts.pretrained import hub
from vae_jax.commands import share
from vae_jax.errors import InputError
from vae_jax.runs.loading import load_run
from vae_jax.system.command import run_command
from vae_jax.types import Spec

pytest.importorskip("safetensors", reason="pip install -e '.[hub]'")


def test_share_prints_the_files_and_the_line_that_loads_them(runs, tmp_path, capsys):
    share.main([f"--workdir={runs['vae']}", f"--output={tmp_path}", "--license=MIT"])
    *files, line = capsys.readouterr().out.splitlines()
    assert [file.rpartition("  ")[0] for file in files] == [
        str(tmp_path / name) for name in ("model.safetensors", "samples.png", "README.md", "config.json")
    ]
    assert all(file.endswith(" kB") for file in files)
    loaded = {"vae_jax": vae_jax}
    exec(line.strip().removeprefix("in Python: "), loaded)
    expected, run = load_run(runs["vae"]), loaded["run"]
    jax.tree.map(np.testing.assert_array_equal, expected.params, run.params)
    np.testing.assert_array_equal(expected.sample(3, 1), run.sample(3, 1))
    assert run.spec == expected.spec
    text = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert str(runs["vae"]).encode() not in text
    assert b"| elbo | nats per image | -" in text


def test_a_refused_push_names_the_folder_that_is_complete(runs, tmp_path, capsys, monkeypatch):
    def push(folder, name, card):
        raise InputError(f"push={name}: no")

    monkeypatch.setattr(hub, "client", lambda wanted_by: types.ModuleType("huggingface_hub"))
    monkeypatch.setattr(hub, "push", push)
    monkeypatch.setattr("vae_jax.artifacts.pretrained.saving.picture", lambda run: {})
    flags = [f"--workdir={runs['vae']}", f"--output={tmp_path / 'new'}", "--push=me/digits"]
    assert run_command(lambda: share.main(flags)) == 2
    assert capsys.readouterr().err == f"error: --push=me/digits: no; the folder {tmp_path / 'new'} is complete\n"
    assert 'from_pretrained("me/digits")' in (tmp_path / "new" / "README.md").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=EMPTY", "--output=EMPTY"], ["not a run"]),
        (["--workdir=VAE", "--output=FILE"], ["--output=", "cannot be created"]),
        (["--workdir=VAE", "--output=AE"], ["holds ", "no shared model; choices: a new or empty folder"]),
        (["--workdir=VAE", "--output=EMPTY", "--license=my own"], ["--license=my own: not the identifier"]),
        (["--workdir=VAE", "--output=EMPTY", "--push=model"], ["--push=model: not a name on the hub"]),
        (["--workdir=VAE", "--output=EMPTY", "--push="], ["--push=: not a name on the hub; choices: user/model"]),
        (["--workdir=VAE", "--output=EMPTY", "--license="], ["--license=: empty; choices: such as apache-2.0"]),
        (["--workdir=VAE", "--output="], ["--output: empty; choices: a path, or . for the current folder"]),
        (["--workdir=VAE", "--output=EMPTY", "--card=kept"], ["--card: invalid choice: 'kept'"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(share.main, flags)
    assert all(word in error for word in words), error


def test_the_names_of_own_classes_are_shared_by_a_flag_alone_and_an_edited_card_needs_one(
    tmp_path, capsys, monkeypatch
):
    spec = Spec((8, 8, 1), 2, 60, ("Meier, Anna", "Weber, Ida"))
    run = random_run((8, 8, 1), spec=spec, dataset="folder", data_dir="/images")
    monkeypatch.setattr(share, "load_run", lambda *_: run)
    monkeypatch.setattr("vae_jax.artifacts.pretrained.saving.picture", lambda run: {})
    flags = ["--workdir=run", f"--output={tmp_path}"]
    share.main(flags)
    line = "  its 2 classes are numbered, and their names stay here; --class-names shares them"
    assert line in capsys.readouterr().out.splitlines()
    share.main([*flags, "--class-names"])
    line = "  it holds the names of 2 classes of your own images: Meier, Anna, Weber, Ida"
    assert line in capsys.readouterr().out.splitlines()
    (tmp_path / "README.md").write_text("My own words.")
    assert run_command(lambda: share.main(flags)) == 2
    line = f"{tmp_path / 'README.md'}: edited since it was written; choices: --card=keep, --card=replace"
    assert capsys.readouterr().err == f"error: {line}\n"
    share.main([*flags, "--card=keep"])
    assert (tmp_path / "README.md").read_text() == "My own words."


def test_a_push_without_the_package_is_refused_before_the_run_is_read(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    line = refused(share.main, ["--workdir=nowhere", "--push=me/digits"])
    assert line == "error: --push=me/digits: needs the package huggingface_hub; pip install 'vae_jax[hub]'\n"
