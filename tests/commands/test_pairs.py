"""Densities of the codes of a run at the command line: what is refused in one line, and what is never written."""

import json
import shutil

import pytest

from vae_jax import config as config_lib
from vae_jax import main
from vae_jax.commands import codes, compare, evaluate, export, health, nll, sample
from vae_jax.data import codes as file
from vae_jax.runs.loading import load_run
from vae_jax.train import train_and_evaluate

DENSITY, PIXELCNN = "--config=configs/density.py", "--config=configs/code_prior.py"


@pytest.fixture
def of(runs, tmp_path):
    """Return a function (name) -> a copy of a run, which a test may damage."""

    def copied(name):
        return shutil.copytree(runs[name], tmp_path / f"{name}-copy")

    return copied


def flags_of(parent, config=DENSITY, **changes):
    keys = {"data_dir": parent, "num_epochs": 1, "log.tensorboard": False} | changes
    return [config, f"--workdir={parent}-density", *(f"--config.{name}={value}" for name, value in keys.items())]


def test_a_parent_that_is_not_finished_is_refused(refused, of):
    parent = of("ae")
    (parent / "results.json").unlink()
    error = refused(main._run, flags_of(parent))
    assert error.startswith(
        f"error: data_dir={parent}: the run is not finished, so its codes may change; choices: a finished"
    )
    assert f"resume it: python -m vae_jax.main --workdir={parent}" in error
    assert not list(parent.parent.glob("*-density"))
    assert not (parent / file.FILE).exists()


def test_a_density_is_no_parent_of_a_density(refused, make_config, tmp_path):
    parent = tmp_path / "density"
    parent.mkdir()
    config = make_config(model="density", dataset="codes", data_dir="/images")
    (parent / "config.json").write_text(config_lib.to_json(config))
    error = refused(main._run, flags_of(parent))
    assert error.startswith(
        f"error: data_dir={parent}: model=density: the run there learned codes and has none of its own;"
    )
    assert "such as data_dir=/images, whose codes it learned" in error


def test_codes_of_another_kind_and_missing_parents_are_refused(refused, of, tmp_path):
    parent = of("ae")
    before = sorted(path.name for path in parent.rglob("*"))
    error = refused(main._run, flags_of(parent, PIXELCNN))
    assert error.startswith(
        f"error: prior=pixelcnn: model=density has points from data_dir={parent}; choices: prior=flow"
    )
    assert not list(parent.parent.glob("*-density"))
    assert sorted(path.name for path in parent.rglob("*")) == before


def test_a_missing_parent_is_refused(refused, tmp_path):
    error = refused(main._run, flags_of(tmp_path / "gone"))
    assert error.startswith(f"error: data_dir={tmp_path}/gone: no such folder; if the data of a run have moved: ")


@pytest.fixture(scope="module")
def pair(runs, tmp_path_factory):
    """Return an autoencoder and a mixture of its codes, which tests leave as they are."""
    root = tmp_path_factory.mktemp("pairs")
    parent = shutil.copytree(runs["ae"], root / "parent")
    assert main.run(flags_of(parent, prior="mixture")) == 0
    return parent, root / "parent-density"


@pytest.mark.slow
def test_the_pair_of_an_autoencoder_samples_and_has_a_page_and_no_nll(pair, refused, tmp_path):
    parent, density = pair
    results = json.loads((density / "results.json").read_text())
    assert {"test/code_log_density", "test/mse"} <= results.keys()
    # The loss of the run is -code_log_density; that of the autoencoder would have the same name.
    assert not {name for name in results if name.partition("/")[2] in ("elbo", "kl", "nll", "reconstruction", "loss")}
    assert {"samples.png", "reconstructions.png"} <= {path.name for path in (density / "figures").iterdir()}
    assert "code_log_density" in (density / "report.html").read_text()
    assert f"{density.name}: a prior of the codes of {parent.name}</p>" in (density / "report.html").read_text()
    assert "left_out" not in results
    assert load_run(density).sample(3).shape == (3, 8, 8, 1)
    compare.main([f"--workdirs={parent},{density}", f"--output={tmp_path / 'compare.html'}"])
    page = (tmp_path / "compare.html").read_text()
    assert "model=density" in page
    assert "The configurations are the same." not in page
    sample.main([f"--workdir={density}", f"--output={tmp_path / 'samples'}"])
    export.main([f"--workdir={density}", "--format=stablehlo", f"--output={tmp_path}"])
    error = refused(nll.main, [f"--workdir={density}"])
    assert error.startswith(
        "error: model=ae: has codes without noise, and a prior fitted to points gives samples but no log p(x)"
    )
    assert "choices: a variational model, such as vae" in error


@pytest.mark.slow
def test_a_pair_has_no_codes_but_those_of_its_first_run(pair, refused, tmp_path):
    parent, density = pair
    error = refused(codes.main, [f"--workdir={density}", f"--output={tmp_path / 'codes'}"])
    assert error == (
        f"error: --workdir={density}: model=density: the run learned codes and has none of its own; choices: --workdir={parent}, "
        "the run whose codes it learned\n"
    )
    assert not (tmp_path / "codes").exists()


@pytest.mark.slow
def test_an_evaluation_writes_nothing_into_the_parent(pair, refused, tmp_path):
    parent, density = (shutil.copytree(path, tmp_path / path.name) for path in pair)
    config = json.loads((density / "config.json").read_text())
    (density / "config.json").write_text(json.dumps(config | {"data_dir": str(parent)}))
    evaluate.main([f"--workdir={density}"])
    (parent / file.FILE).unlink()
    before = sorted(path.name for path in parent.rglob("*"))
    error = refused(evaluate.main, [f"--workdir={density}"])
    assert error == (f"error: {parent}/codes.npz: no such file; vae-jax codes --workdir={parent} writes it\n")
    assert sorted(path.name for path in parent.rglob("*")) == before


@pytest.mark.slow
def test_a_changed_parent_is_refused_and_its_codes_stay(pair, refused, make_config, tmp_path):
    parent, density = (shutil.copytree(path, tmp_path / path.name) for path in pair)
    content = (parent / file.FILE).read_bytes()
    own = config_lib.from_json((parent / "config.json").read_text(), "parent")
    own.num_epochs = 3
    train_and_evaluate(own, parent)
    error = refused(main._run, flags_of(parent, prior="mixture", num_epochs=2))
    assert error.startswith(f"error: data_dir={parent}: the run there has other parameters")
    assert (parent / file.FILE).read_bytes() == content
    assert density.is_dir()


@pytest.fixture(scope="module")
def discrete(make_config, tmp_path_factory):
    """Return a run with many dead codes and a PixelCNN of its codes, which tests leave as they are."""
    root = tmp_path_factory.mktemp("discrete")
    own = {"model": "quantized", "latent_dim": 8, "hidden_dims": (64,), "vq__codes": 256, "num_epochs": 8}
    own |= {"vq__commitment": 0.001, "vq__dead_below": 0.0, "learning_rate": 0.01}  # a collapse, see test_health.py
    train_and_evaluate(make_config(**own, log__tensorboard=False), root / "parent")
    small = {"pixelcnn.layers": 1, "pixelcnn.features": 4}
    assert main.run(flags_of(root / "parent", PIXELCNN, **small)) == 0
    return root / "parent", root / "parent-density"


@pytest.mark.slow
def test_the_advice_on_a_pair_names_the_first_run(discrete, tmp_path, capsys):
    parent, density = discrete
    health.main([f"--workdir={density}", f"--output={tmp_path}"])
    for path, key in ((density / "results.json", "health"), (tmp_path / "health.json", "")):
        found = json.loads(path.read_text())
        line = (found[key] if key else found)["codes used"]["text"]
        assert "codes are dead" in line
        assert "; try vq.dead_below=0.03 or more (splits codes in use), a smaller learning_rate, " in line
        assert line.endswith(f" in the first run ({parent})")
