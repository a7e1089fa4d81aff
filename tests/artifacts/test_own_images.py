"""A shared model of a person's own images: commands that are valid, no names of their classes, figures that need no image."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from support.pairs import pair_of
from support.random_run import random_run

import vae_jax
from vae_jax import data
from vae_jax.artifacts.pretrained import saving
from vae_jax.artifacts.pretrained.card import model_card
from vae_jax.artifacts.report.commands import commands
from vae_jax.config import command_line, load_file
from vae_jax.errors import InputError
from vae_jax.runs.run import Run
from vae_jax.types import Spec

pytest.importorskip("safetensors", reason="pip install -e '.[hub]'")
NAMES = ("Meier, Anna", "Schulz, Jan", "Weber, Ida")
OF_A_FOLDER: dict[str, Any] = {"dataset": "folder", "train_dir": "/home/author/patients", "split": (0.6, 0.2, 0.2)}


def own_run(**changes) -> Run:
    """Return a random run of a folder with a class for each patient."""
    spec = Spec((8, 8, 1), len(NAMES), 60, NAMES)
    return random_run((8, 8, 1), spec=spec, **OF_A_FOLDER | changes)


def refusal(call) -> str:
    with pytest.raises(InputError) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def training_of(card: str) -> tuple[str, list[str]]:
    """Return the text and the commands of the part of a card about training."""
    text, _, rest = card.partition("## Training")[2].partition("```sh\n")
    return text, rest.partition("\n```")[0].splitlines()


def parsed(command: str):
    """Return the validated config of a printed command."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "vae_jax.main"]
    flags = command_line.parse(words[3:])
    return command_line.overridden(load_file(flags.config), flags.overrides)


WAYS: list[tuple[dict[str, Any], str, str]] = [
    (OF_A_FOLDER, "train_dir", "FOLDER stands for your own, a folder of images."),
    (
        {"dataset": "folder", "train_dir": "/a", "test_dir": "/b", "split": (0.8, 0.2)},
        "data_dir",
        "FOLDER stands for your own, a folder with train/ and test/.",
    ),
    (
        {"dataset": "folder", "train_dir": "/a", "test_dir": "/b", "split": (0.5, 0.5), "split_target": "test"},
        "data_dir",
        "with train/ and test/.",
    ),
    ({"dataset": "folder", "data_dir": "/a", "split": (0.8, 0.2)}, "data_dir", "with train/ and test/."),
    (
        {"dataset": "folder", "train_dir": "/a", "val_dir": "/b", "test_dir": "/c"},
        "data_dir",
        "a folder with train/, val/ and test/.",
    ),
    ({"dataset": "folder", "data_dir": "/a"}, "data_dir", "a folder with train/, val/ and test/."),
    ({"dataset": "arrays", "data_dir": "/a.npz"}, "data_dir", "FILE.npz stands for your own, an .npz or .npy file."),
    ({"dataset": "arrays", "data_dir": "/a.npy", "split": (0.7, 0.2, 0.1)}, "data_dir", "FILE.npz stands"),
    ({"dataset": "grain", "data_dir": "/shards"}, "data_dir", "shards of `vae-jax pack`"),
]


@pytest.mark.parametrize(("own", "key", "words"), WAYS, ids=str)
def test_the_command_of_a_card_is_valid_and_names_the_key_of_the_images(own, key, words):
    run = own_run(**{"train_dir": "", "split": ()} | own, log__tensorboard=False)
    text, (command,) = training_of(model_card(run, {}, "", "", ""))
    assert words in text
    config = parsed(command)
    name = "FILE.npz" if own["dataset"] == "arrays" else "FOLDER"
    assert config[key] == str(Path.cwd() / name)
    expected = run.config.to_dict() | {folder: "" for folder in config if folder.endswith("_dir")}
    assert config.to_dict() == expected | {key: config[key], "log": run.config.log.to_dict() | {"tensorboard": True}}


def test_a_shared_pair_has_both_of_its_commands_on_the_card_and_on_the_page(tmp_path):
    run = pair_of(random_run((8, 8, 1), latent_dim=2))
    own, lines = training_of(model_card(run, {}, "", "", ""))
    assert own.strip() == ""
    first, density = lines
    assert first.endswith(" --workdir=runs/first")
    assert parsed(first.rpartition(" ")[0]).dataset == "digits"
    assert parsed(density).data_dir == str(Path.cwd() / "runs" / "first")
    run.loaded_by = (vae_jax.from_pretrained, ("me/pair", ""))
    assert [text for _, text in commands(run, tmp_path)] == lines


@pytest.fixture
def without_images(monkeypatch):
    """Without reading of any data."""

    def load(config):
        raise AssertionError("read")

    monkeypatch.setattr(data, "load", load)


@pytest.mark.usefixtures("without_images")
@pytest.mark.parametrize("condition", ["none", "label"])
def test_samples_of_a_shared_model_need_no_image_and_other_figures_say_that_there_are_none(
    condition, tmp_path, monkeypatch
):
    monkeypatch.setattr(saving, "picture", lambda run: {})
    vae_jax.save_pretrained(own_run(condition=condition), tmp_path)
    run = vae_jax.from_pretrained(tmp_path)
    assert vae_jax.figure(run, "samples").files["samples.png"].startswith(b"\x89PNG")
    words = "shows the images of a data set, and those of its author are not shared"
    for name in ("reconstructions", "walk"):
        line = refusal(lambda name=name: vae_jax.figure(run, name))
        assert line == f"name={name}: {words}; choices: samples, temperatures"
    assert refusal(lambda: vae_jax.explore(run)) == f"the page: {words}"
    monkeypatch.undo()
    line = refusal(lambda: data.load(run.config))
    assert line == "data_dir=: names no folder; a shared model comes without the images of its author"


@pytest.mark.usefixtures("without_images")
@pytest.mark.parametrize("own", [WAYS[i][0] for i in (0, 6, 8)], ids=lambda own: own["dataset"])
def test_an_autoencoder_of_own_images_has_no_picture(own, tmp_path):
    own = {"train_dir": "", "split": ()} | own
    vae_jax.save_pretrained(own_run(model="ae", objective="reconstruction", **own), tmp_path)
    assert not list(tmp_path.glob("*.png"))
    assert "images of its author" in (tmp_path / "README.md").read_text()


@pytest.fixture
def pictured(monkeypatch):
    """The names of the classes of each run of which a picture was drawn."""
    names = []
    monkeypatch.setattr(saving, "picture", lambda run: names.append(run.spec.class_names) or {})
    return names


def content_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("condition", ["none", "label"])
def test_the_names_of_own_classes_are_numbers_for_others_unless_they_are_given(condition, pictured, tmp_path):
    run = own_run(condition=condition)
    assert saving.own_names(run) == NAMES
    vae_jax.save_pretrained(run, tmp_path / "numbered")
    assert not any(word.encode() in content_of(tmp_path / "numbered") for word in re.findall(r"\w+", str(NAMES)))
    again = vae_jax.from_pretrained(tmp_path / "numbered")
    assert again.spec == run.spec._replace(class_names=("0", "1", "2"))
    vae_jax.save_pretrained(run, tmp_path / "named", class_names=True)
    named = vae_jax.from_pretrained(tmp_path / "named")
    assert named.spec == run.spec
    assert pictured == [("0", "1", "2"), NAMES]
    assert (saving.own_names(again), saving.own_names(named)) == ((), NAMES)
    if condition == "label":
        assert (again.sample(2, 0, label="1") == named.sample(2, 0, label="Schulz, Jan")).all()


@pytest.mark.usefixtures("pictured")
def test_a_pair_shares_no_name_either_and_a_public_set_all_of_them(tmp_path):
    run = pair_of(random_run((8, 8, 1), spec=Spec((8, 8, 1), 3, 60, NAMES)))
    assert run.joined is not None
    vae_jax.save_pretrained(run, tmp_path / "public")
    assert vae_jax.from_pretrained(tmp_path / "public").spec.class_names == NAMES
    for config in (run.config, run.joined.first.config):
        config.update(OF_A_FOLDER)
    run.joined = run.joined._replace(spec=run.joined.spec._replace(class_names=NAMES))
    vae_jax.save_pretrained(run, tmp_path / "own")
    assert b"Meier" not in content_of(tmp_path / "own")
    again = vae_jax.from_pretrained(tmp_path / "own")
    assert again.joined is not None
    specs = (again.spec, again.joined.first.spec, again.joined.spec)
    assert [spec.class_names for spec in specs] == [("0", "1", "2")] * 3
