"""The config files: valid, independent of each other, and usable from any folder."""

import ast

import pytest
from support.paths import ROOT

from vae_jax import config as config_lib
from vae_jax.config import command_line

FILES = sorted(path for path in (ROOT / "configs").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_config_file_is_valid_and_imports_only_vae_jax_config(path):
    command_line.read_file(str(path))
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    assert set(modules) <= {"math", "vae_jax.config"}


@pytest.mark.parametrize(("name", "network"), [("dae", "mlp"), ("conv_dae", "conv")])
def test_a_denoising_config_has_the_noise_that_its_docstring_states(name, network):
    config = config_lib.load_file(str(ROOT / "configs" / f"{name}.py"))
    assert (config.model, config.objective, config.network) == ("ae", "denoising", network)
    assert config.denoising.noise_std == 0.5


def test_a_config_file_can_be_in_any_folder(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "mine.py").write_text(
        "from vae_jax.config import Config, defaults\n\n\ndef get_config() -> Config:\n"
        "    config = defaults()\n    config.latent_dim = 5\n    return config\n"
    )
    assert command_line.read_file(str(tmp_path / "mine.py")).latent_dim == 5
