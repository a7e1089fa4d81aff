import pytest

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import disk


def open_once(config, workdir):
    with workdir_lib.open_run(config, workdir):
        pass


def test_a_workdir_can_be_read_and_opened_again(tmp_path):
    config, workdir = config_lib.defaults(), tmp_path / "a b" / "run"
    open_once(config, workdir)
    assert workdir_lib.read_config(workdir).to_dict() == config.to_dict()
    config.num_epochs = 7
    open_once(config, workdir)
    assert workdir_lib.read_config(workdir).num_epochs == 200
    workdir_lib.record(config, workdir)
    assert workdir_lib.read_config(workdir).num_epochs == 7
    assert [path.name for path in workdir.iterdir()] == ["config.json"]


def test_another_config_does_not_overwrite_the_config_of_a_run(tmp_path):
    config = config_lib.defaults()
    open_once(config, tmp_path)
    config.latent_dim = 3
    with pytest.raises(InputError, match=r"latent_dim=3: the run in .* has latent_dim=20"):
        open_once(config, tmp_path)
    assert workdir_lib.read_config(tmp_path).latent_dim == 20


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    disk.write(path, "old")
    monkeypatch.setattr(workdir_lib.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        disk.write(path, "new")
    assert path.read_text() == "old"
