"""A model as a folder for others: the same bits after the way there and back, no path of its author, one line for bad folders."""

import hashlib
import inspect
import json
import pickle
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import yaml
from conftest import small_config
from support.pairs import pair_of
from support.random_run import random_run
from support.slow import first_fast

import vae_jax
from vae_jax import data
from vae_jax.artifacts import about
from vae_jax.artifacts.pretrained import folder as folder_lib
from vae_jax.artifacts.pretrained import saving
from vae_jax.config import flatten, validate
from vae_jax.config.registries import NAMES, REGISTRIES
from vae_jax.errors import InputError
from vae_jax.runs.run import Run
from vae_jax.types import Spec

pytest.importorskip("safetensors", reason="pip install -e '.[hub]'")
AE: dict[str, Any] = {"model": "ae", "objective": "reconstruction"}
RESULTS = {"test/elbo": -24.125, "val/elbo": -25.0, "test/active_units": 2, "pixels": "grey"}
RESULTS |= {"step": 2, "epochs": 4.0, "best_epoch": 2.0}


def trained(folder: Path, **changes):
    """A run with random parameters that lies in a folder with results, as if it were trained on images of /home/author."""
    own: dict[str, Any] = dict.fromkeys(
        ("data_dir", "cache_dir", "train_dir", "val_dir", "test_dir"), "/home/author/images"
    )
    run = random_run((8, 8, 1), **own | changes)
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(RESULTS))
    run.workdir = folder
    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """(a run, the folder that it was saved to); the folder may only be read."""
    root = tmp_path_factory.mktemp("author")
    run = trained(root / "run", latent_dim=2)
    vae_jax.save_pretrained(run, root / "shared", "Apache-2.0")
    return run, root / "shared"


@pytest.fixture
def copy(shared, tmp_path):
    """Return the saved folder, to be damaged."""
    return Path(shutil.copytree(shared[1], tmp_path / "copy"))


@pytest.fixture
def without_picture(monkeypatch):
    monkeypatch.setattr(saving, "picture", lambda run: {})


unchecked = inspect.unwrap
"""Argument types are checked in tests only."""
ALL = ("latents", "reconstruct", "sample")


def assert_same_run(run, again, computed=()):
    assert jax.tree.structure(run.params) == jax.tree.structure(again.params)
    for one, other in zip(jax.tree.leaves(run.params), jax.tree.leaves(again.params), strict=True):
        np.testing.assert_array_equal(np.asarray(one), other, strict=True)
    assert again.config.to_dict() == about.without_machine(run.config).to_dict()
    assert (again.spec, again.step, again.class_names) == (run.spec, run.step, run.class_names)
    x = np.random.default_rng(0).random((2, *run.shape), np.float32)
    labels = () if run.model.given is None else (["1", "0"],)
    given = {"latents": (x, *labels), "reconstruct": (x, *labels), "sample": (2, 3, *labels)}
    for name in computed:
        if name != "sample" or run.model.prior is not None:
            np.testing.assert_array_equal(*(getattr(one, name)(*given[name]) for one in (run, again)))


CASES: list[dict[str, Any]] = [
    {},
    {"condition": "label"},
    {"model": "two_layer", "likelihood": "gaussian", "gaussian__sigma_mode": "learned"},
    {"model": "quantized", "vq__codes": 8},
]


@pytest.mark.usefixtures("without_picture")
@pytest.mark.parametrize("changes", CASES, ids=str)
def test_a_model_has_the_same_bits_after_the_way_there_and_back(changes, tmp_path):
    run = random_run((8, 8, 1), 3 * ("condition" in changes), **changes)
    vae_jax.save_pretrained(run, tmp_path)
    assert_same_run(run, vae_jax.from_pretrained(tmp_path), ALL if "condition" in changes else ())


CONV = {"network": "conv", "channels": (6, 5)}
BASES: list[dict[str, Any]] = [
    *({}, CONV, AE, {"model": "quantized"}, {"likelihood": "gaussian"}, {"posterior": "power_spherical"}),
    {"model": "ae", "likelihood": "gaussian", "denoising__noise_std": 0.3},
]


def run_with(key: str, name: str) -> Run:
    """Return a random run of the first of BASES that may have this entry."""
    for base in BASES:
        try:
            config = validate(small_config(**base | {key: name}), NAMES)
            return random_run((8, 8, 1), spec=Spec((8, 8, 1), num_train=100, levels=17), **flatten(config))
        except InputError:
            continue
    raise AssertionError(f"no run has {key}={name}")


PAIRED = {("model", "density"), ("prior", "pixelcnn")}
"""The entries of a density of codes alone."""
ENTRIES = [(key, name) for key, entries in REGISTRIES.items() for name in entries if (key, name) not in PAIRED]


@pytest.mark.slow
@pytest.mark.usefixtures("without_picture")
@pytest.mark.parametrize(("key", "name"), ENTRIES)
def test_every_entry_of_a_registry_has_the_same_bits_after_the_way_there_and_back(key, name, tmp_path):
    run = run_with(key, name)
    vae_jax.save_pretrained(run, tmp_path)
    assert_same_run(run, vae_jax.from_pretrained(tmp_path), ALL)


FIRST: list[dict[str, Any]] = [{}, {"model": "quantized", "vq__codes": 8}, AE | {"likelihood": "gaussian"}]
"""Runs whose codes are latents, indices and points."""


@pytest.mark.usefixtures("without_picture")
@pytest.mark.parametrize("first", first_fast(FIRST))
def test_a_pair_is_two_files_of_weights_and_comes_back_joined(first, tmp_path):
    run = pair_of(random_run((8, 8, 1), **first))
    vae_jax.save_pretrained(run, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "README.md",
        "model.safetensors",
        "first.safetensors",
    }
    again = vae_jax.from_pretrained(tmp_path)
    assert_same_run(run, again, ["sample"])
    assert again.joined.first.step == 1
    vae_jax.save_pretrained(again, tmp_path / "again")
    assert_same_run(run, vae_jax.from_pretrained(tmp_path / "again"))
    codes = run.joined.spec.codes
    change(tmp_path, lambda facts: facts["spec"].update(codes=[codes[0], codes[1] + 9, codes[2]]))
    # The weights of a density of indices have the number of codes in their shapes.
    expected = (
        f"the first run has {codes[1]} codes, the density {codes[1] + 9}" if not codes[1] else "not the weights of"
    )
    assert expected in refusal(tmp_path)
    change(tmp_path, lambda facts: facts["spec"].update(codes=codes))
    # Another first run, whose hash config.json knows.
    other = random_run((8, 8, 1), seed=1, **first)
    jax.tree.leaves(other.params)[0].flat[0] += 1
    vae_jax.save_pretrained(other, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", tmp_path / "first.safetensors")
    change(tmp_path, lambda facts: facts["first"].update(sha256=sha256(tmp_path / "first.safetensors")))
    assert re.search(
        r"the run there has other parameters \(\w+\) than those whose codes were learned", refusal(tmp_path)
    )


def test_the_folder_says_nothing_of_the_authors_machine(shared):
    run, folder = shared
    text = b"".join(path.read_bytes() for path in folder.iterdir())
    assert {path.name for path in folder.iterdir()} == {"config.json", "README.md", "model.safetensors", "samples.png"}
    for private in ("/home/author", str(Path.home()), str(run.workdir.parent), run.workdir.parent.name):
        assert private.encode() not in text
    facts = json.loads((folder / "config.json").read_text())
    assert facts["config"]["latent_dim"] == 2
    assert not any(name.endswith("_dir") for name in facts["config"])


def test_the_card_has_metadata_numbers_with_units_licence_and_the_lines_that_load_it(shared):
    _, metadata, text = (shared[1] / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(metadata) == {
        "library_name": "vae_jax",
        "license": "apache-2.0",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["vae_jax", "jax", "variational-autoencoder", "vae", "digits"],
    }
    assert "# Variational autoencoder on digits" in text
    assert "| elbo | nats per image | -25.00 | -24.12 |" in text
    assert "| active_units | units | - | 2 |" in text
    assert "Of grey pixels" in text
    assert "![samples of this model](samples.png)" in text
    assert "## Licence\n\nApache-2.0" in text
    assert 'run = vae_jax.from_pretrained("FOLDER")' in text
    assert "--config.latent_dim=2" in text


@pytest.mark.usefixtures("without_picture")
def test_the_card_of_a_conditional_model_names_the_label_and_a_missing_licence(tmp_path):
    run = random_run((8, 8, 1), 3, condition="label")
    vae_jax.save_pretrained(run, tmp_path, name="me/digits")
    text = (tmp_path / "README.md").read_text()
    assert 'run = vae_jax.from_pretrained("me/digits")\n' in text
    assert "run.sample(16, seed=0, label=0)" in text
    assert "None: this checkpoint was not evaluated." in text
    assert "## Licence\n\nnot given" in text
    assert "license" not in text.split("---\n")[1]
    assert "pipeline_tag" not in text


def test_photographs_of_a_person_are_not_shown_to_others(tmp_path, monkeypatch):
    def load(config):
        raise AssertionError("read")

    monkeypatch.setattr(data, "load", load)
    own: dict[str, Any] = {"dataset": "folder", "train_dir": "/home/author/photographs", "split": (0.6, 0.2, 0.2)}
    run = random_run((8, 8, 1), **AE, **own)
    vae_jax.save_pretrained(run, tmp_path)
    assert not list(tmp_path.glob("*.png"))
    assert "photographs" not in "".join(path.read_text() for path in tmp_path.glob("*.[jm]*[dn]"))
    monkeypatch.undo()
    again = vae_jax.from_pretrained(tmp_path)
    assert again.config.split == (0.6, 0.2, 0.2)
    with pytest.raises(InputError) as error:
        vae_jax.figure(again, "reconstructions")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_an_autoencoder_of_a_public_set_shows_reconstructions(tmp_path):
    vae_jax.save_pretrained(random_run((8, 8, 1), **AE), tmp_path)
    assert (tmp_path / "reconstructions.png").read_bytes().startswith(b"\x89PNG")
    assert "](reconstructions.png)" in (tmp_path / "README.md").read_text()
    assert vae_jax.figure(vae_jax.from_pretrained(tmp_path), "reconstructions").files


def test_a_pickle_of_a_shared_run_loads_it_again(shared, monkeypatch, tmp_path):
    monkeypatch.chdir(shared[1].parent)
    run = vae_jax.from_pretrained("shared")
    stored = pickle.dumps(run)
    assert len(stored) < 500
    monkeypatch.chdir(tmp_path)
    assert_same_run(run, pickle.loads(stored))


def test_a_notebook_shows_the_numbers_and_the_picture_of_a_shared_run(shared):
    text = vae_jax.from_pretrained(shared[1])._repr_html_()
    assert "<tr><td>elbo</td><td>-25.00</td><td>-24.12</td></tr>" in text
    assert 'alt="samples.png"' in text


def test_a_shared_run_is_saved_again_with_its_numbers(shared, tmp_path):
    vae_jax.save_pretrained(vae_jax.from_pretrained(shared[1]), tmp_path, "Apache-2.0")
    for path in shared[1].iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_the_page_of_a_shared_run_takes_its_numbers_for_those_of_a_complete_run(shared):
    found = folder_lib.results(shared[1], 1)
    assert found is not None
    assert (found["step"], found["epochs"], found["best_epoch"], found["test/elbo"]) == (2, 4.0, 2.0, -24.125)


@pytest.mark.usefixtures("without_picture")
def test_only_a_new_an_empty_or_a_shared_folder_is_written(shared, tmp_path):
    run = random_run((8, 8, 1))
    for name in ("config.json", "README.md"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("{}")
        with pytest.raises(
            InputError, match=rf"^{folder}: holds {name}, and is no shared model; choices: a new or empty"
        ):
            vae_jax.save_pretrained(run, folder)
        assert [path.read_text() for path in folder.iterdir()] == ["{}"]
    vae_jax.save_pretrained(pair_of(run), tmp_path / "new")
    vae_jax.save_pretrained(run, tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"config.json", "README.md", "model.safetensors"}
    with pytest.raises(InputError, match=r"^license=my own: not the identifier of a licence"):
        vae_jax.save_pretrained(run, tmp_path / "new", "my own")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change(folder: Path, alter) -> None:
    """Change config.json as a stranger could who computes its SHA-256 again."""
    facts = json.loads((folder / "config.json").read_text())
    alter(facts)
    (folder / "config.json").write_text(json.dumps(folder_lib.sealed(facts)))


def refusal(folder: Path | str) -> str:
    """Return the one line with which a folder is refused."""
    with pytest.raises(InputError) as error:
        vae_jax.from_pretrained(folder)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def weights(alter):
    """Return a change of a folder's arrays, whose new hash config.json knows."""

    def apply(folder):
        from safetensors.numpy import load_file, save_file

        path = folder / "model.safetensors"
        arrays = load_file(path)
        alter(arrays)
        save_file(arrays, path)
        change(folder, lambda facts: facts.update(sha256=sha256(path)))

    return apply


def config(**values):
    return lambda folder: change(folder, lambda facts: facts["config"].update(values))


def fact(**values):
    return lambda folder: change(folder, lambda facts: facts.update(values))


def flip(folder):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def text_in_place_of_weights(folder):
    (folder / "model.safetensors").write_text("no arrays")
    change(folder, lambda facts: facts.update(sha256=sha256(folder / "model.safetensors")))


BIAS = "decoder/output/bias"
BAD = {
    "no config": (lambda folder: (folder / "config.json").unlink(), r"not a shared model, it lacks config\.json"),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        r": not a whole shared model, it lacks model\.safetensors; choices: a new copy$",
    ),
    "a flipped bit": (
        flip,
        r"model\.safetensors: damaged or changed: its SHA-256 is \w{64}, config\.json says \w{64}; choi",
    ),
    "no arrays": (text_in_place_of_weights, r"model\.safetensors: not a safetensors file: "),
    "half a config": (
        lambda folder: (folder / "config.json").write_text('{"format": 1, '),
        r"config\.json: damaged, Expecting",
    ),
    "a list": (lambda folder: (folder / "config.json").write_text("[]"), r"config\.json: damaged, not a JSON object"),
    "a run": (
        lambda folder: (folder / "config.json").write_text('{"model": "vae"}'),
        r": a run and not a shared model; choices: vae_jax\.load_run",
    ),
    "another program's": (
        lambda folder: (folder / "config.json").write_text("{}"),
        r"not of a shared model, format=None",
    ),
    "a newer format": (
        fact(format=2, versions={"vae_jax": "9.1"}),
        r"format=2, written by vae_jax 9\.1, this version reads format 1; choices: a newer vae_jax",
    ),
    "an unknown key": (
        config(kl_wormup=3),
        r"a config that this version does not know.*: kl_wormup=3: unknown key; did you m",
    ),
    "an unknown entry": (
        config(model="vea"),
        r"does not know.*: model=vea: unknown model; did you mean vae\?; choices: ae, ",
    ),
    "a wrong value": (config(latent_dim=-1), r"does not know.*: latent_dim=-1: not a whole number, at least 1"),
    "keys that do not fit": (
        config(dataset="codes"),
        r"does not know.*: model=vae: dataset=codes has the codes of a run",
    ),
    "another objective": (
        config(objective="reconstruction", beta=0.0),
        r"its config makes no model of its spec: objective=reconstruction: model=vae has a prior",
    ),
    "no config of a model": (fact(config=None), r"a config that this version does not know.*not a JSON object"),
    "no step": (
        lambda folder: change(folder, lambda facts: facts.pop("step")),
        r"lacks the spec, the step or the SHA-256",
    ),
    "another shape": (
        fact(spec={"shape": [8, -8, 1], "num_classes": 0, "num_train": 0}),
        r"lacks the spec, the step or",
    ),
    "codes": (
        lambda folder: change(folder, lambda facts: facts["spec"].update(codes=["latents", 0, "digest"])),
        r"damaged, dataset=digits does not go with the spec's codes=",
    ),
    "a page's script": (fact(metrics={"test/elbo": "<script>"}), r"config\.json: damaged, its metrics are no numbers"),
    "an array less": (weights(lambda arrays: arrays.pop(BIAS)), rf"not the weights of .*: lacks the array {BIAS}$"),
    "an array more": (
        weights(lambda arrays: arrays.update(more=np.zeros(1))),
        r"has the array more, which the model has not",
    ),
    "another array": (
        weights(lambda arrays: arrays.update({BIAS: np.zeros(3, np.float32)})),
        rf"has {BIAS} as float32 \[3\], the model as float32 \[64\]",
    ),
    "another type": (
        weights(lambda arrays: arrays.update({BIAS: arrays[BIAS].astype(np.float64)})),
        rf"has {BIAS} as float64 \[64\], the model as float32 \[64\]",
    ),
    "a larger model": (config(latent_dim=5), r"not the weights of the model in config\.json: has .*, and \d+ more"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_in_a_line(name, copy):
    damage, message = BAD[name]
    damage(copy)
    line = refusal(copy)
    assert line.startswith(str(copy))
    assert re.search(message, line), line


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/at/all", "a/b/c", "~/no/such", "user/../model"])
def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_refused(name):
    assert re.search("no such folder, and no name on the hub such as user/model", refusal(name))


def test_an_argument_that_is_no_name_or_has_no_revision_is_refused(shared):
    with pytest.raises(InputError, match=r"^name=: not a folder; choices: its path, or \. for the current folder$"):
        vae_jax.from_pretrained("")
    with pytest.raises(InputError, match=r"^name=None: not a folder; choices: "):
        unchecked(vae_jax.from_pretrained)(None)
    with pytest.raises(InputError, match=r"^revision=v2: .* is a folder, which has no revisions; choices: "):
        vae_jax.from_pretrained(shared[1], "v2")
    with pytest.raises(InputError, match=r"^folder=: not a folder; choices: "):
        vae_jax.save_pretrained(shared[0], "")


def test_a_folder_is_not_saved_in_the_place_of_a_run(tmp_path):
    with pytest.raises(
        InputError, match=r"^run=runs/x: a str and not a Run; choices: vae_jax\.load_run\(FOLDER\), or "
    ):
        unchecked(vae_jax.save_pretrained)("runs/x", tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_neither_part_of_a_shared_pair_may_name_a_folder(tmp_path, without_picture):
    vae_jax.save_pretrained(pair_of(random_run((8, 8, 1))), tmp_path)
    change(tmp_path, lambda facts: facts["first"]["config"].update(cache_dir=str(tmp_path / "evil")))
    assert f"refused, cache_dir={tmp_path / 'evil'}: a key of the reader's machine" in refusal(tmp_path)
    change(tmp_path, lambda facts: facts["first"]["config"].update(cache_dir=""))
    change(tmp_path, lambda facts: facts["config"].update(data_dir="/etc"))
    assert "refused, data_dir=/etc: " in refusal(tmp_path)
    change(tmp_path, lambda facts: facts["config"].update(data_dir=""))
    assert vae_jax.from_pretrained(tmp_path).step == 7


def test_an_edited_card_is_not_lost(shared, copy, without_picture):
    run, card = shared[0], copy / "README.md"
    vae_jax.save_pretrained(run, copy, "MIT")  # a card as it was written is replaced
    assert "\n## Licence\n\nMIT\n" in card.read_text()
    card.write_text("My own words.")
    before = (copy / "config.json").read_bytes()
    with pytest.raises(InputError, match=rf"^{card}: edited since it was written; choices: card=keep, card=replace$"):
        vae_jax.save_pretrained(run, copy)
    assert (copy / "config.json").read_bytes() == before
    for _ in range(2):  # a kept card stays an edited one
        assert card in vae_jax.save_pretrained(run, copy, card="keep")
        assert card.read_text() == "My own words."
    assert vae_jax.from_pretrained(copy).step == run.step
    with pytest.raises(InputError, match=r"^card=kept: unknown; did you mean keep\?"):
        vae_jax.save_pretrained(run, copy, card="kept")
    vae_jax.save_pretrained(run, copy, card="replace")
    assert "My own words." not in card.read_text()
    vae_jax.save_pretrained(run, copy)


class Evil:
    """An object whose pickle writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_folder_is_executed(copy, tmp_path):
    stored = pickle.dumps(Evil(tmp_path / "executed"))
    (copy / "config.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    (copy / "model.safetensors").write_bytes(stored)
    change(copy, lambda facts: facts.update(sha256=sha256(copy / "model.safetensors")))
    refusal(copy)
    assert not (tmp_path / "executed").exists()
    pickle.loads(stored)
    assert (tmp_path / "executed").exists()


def test_load_run_names_the_function_for_a_shared_model(shared):
    with pytest.raises(
        InputError, match=r"^--workdir=.*: a shared model and not a run; choices: vae_jax.from_pretrained$"
    ):
        vae_jax.load_run(shared[1])


@pytest.mark.usefixtures("without_picture")
def test_a_missing_package_is_a_line_with_the_extra(copy, tmp_path, monkeypatch):
    run = random_run((8, 8, 1))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.numpy", raising=False)
    assert "needs the package safetensors; pip install 'vae_jax[hub]'" in refusal(copy)
    with pytest.raises(
        InputError, match=r"^save_pretrained: needs the package safetensors; pip install 'vae_jax\[hub\]'$"
    ):
        vae_jax.save_pretrained(run, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    line = "me/model: no such folder; on the hub: needs the package huggingface_hub; pip install 'vae_jax[hub]'"
    assert refusal("me/model") == line
