"""Configs by name: the files that come with the package, wherever the command is given."""

import pytest
from support.paths import ROOT

from vae_jax import config as config_lib
from vae_jax import main, train
from vae_jax.config import command_line, named
from vae_jax.errors import InputError

NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem != "__init__")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return an empty folder that is the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def problem(text: str) -> str:
    with pytest.raises(InputError) as caught:
        named.path_of(text)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", NAMES)
def test_every_config_has_its_name_in_every_folder(name, elsewhere):
    assert named.path_of(name) == str(ROOT / "configs" / f"{name}.py")


def test_the_spelling_of_a_config_changes_neither_the_config_nor_the_name_of_the_run(elsewhere, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "train_and_evaluate", lambda *given: seen.append(given[:2]) or {})
    for config in ("vae_2d", f"{ROOT}/configs/vae_2d.py"):
        assert main.run([f"--config={config}", "--config.latent_dim=3"]) == 0
    (first, workdir), second = seen
    assert second == (first, workdir)
    assert str(workdir).startswith("runs/vae_2d-digits-z3-")


def test_a_name_is_never_a_file_in_the_current_folder_and_a_path_always_is(elsewhere):
    for name in ("vae", "vae.py", "mine.py"):
        (elsewhere / name).write_text(
            "from vae_jax.config import defaults\ndef get_config():\n    c = defaults(); c.latent_dim = 7; return c\n"
        )
    assert [command_line.read_file(text).latent_dim for text in ("vae", "./vae", "vae.py")] == [2, 7, 7]
    assert problem("mine").startswith("--config=mine: no such config; did you mean mine.py?; choices: ")


def test_a_wheel_reads_the_configs_inside_the_package(tmp_path, monkeypatch):
    for folder in ("site/configs", "site/vae_jax"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "site" / "configs" / "vae.py").touch()  # in a wheel's site-packages: another project's
    monkeypatch.setattr(named, "PACKAGE", tmp_path / "site" / "vae_jax")
    assert named.path_of("vae") == str(tmp_path / "site" / "configs" / "vae.py")
    (tmp_path / "site" / "vae_jax" / "configs").mkdir()
    assert problem("vae") == "--config=vae: no such config; choices: "
    (tmp_path / "site" / "vae_jax" / "configs" / "vae.py").touch()
    assert named.path_of("vae") == str(tmp_path / "site" / "vae_jax" / "configs" / "vae.py")


@pytest.mark.parametrize(
    ("text", "start", "first"),
    [
        ("vqvae", "--config=vqvae: no such config", "vq_vae"),
        ("conv-vae", "--config=conv-vae: no such config", "conv_vae"),
        ("configs/iwea.py", "--config=configs/iwea.py: no such file", "iwae"),
        ("configs", "--config=configs: no such config", ""),
        (".", "--config=.: no such config", ""),
        ("/", "--config=/: no such file", ""),
        ("__init__", "--config=__init__: no such config", ""),
    ],
)
def test_a_config_that_does_not_exist_is_refused_with_all_names_the_nearest_first(text, start, first):
    start_of_line, _, choices = problem(text).partition("; choices: ")
    assert start_of_line == start
    assert sorted(choices.split(", ")) == NAMES
    assert choices.startswith(first)


def test_a_name_is_given_to_help_too():
    text = command_line.help_text(["--help", "--config=iwae"])
    assert "objective=importance" in text.partition(command_line.ABOUT)[2].split("not chosen")[0]
    assert config_lib.load_file("iwae").objective == "importance"
