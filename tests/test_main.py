"""The command line, run in process: errors for wrong arguments, and no files left behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax import main, train
from vae_jax.config import command_line, registries
from vae_jax.errors import InputError

VAE = "--config=configs/vae.py"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def error_lines(capsys, argv: list[str]) -> list[str]:
    assert main.run(argv) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    lines = captured.err.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines)
    return lines


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ["--config", "--workdir", "--help"]),
        (["--config="], ["--config", "FILE"]),
        (["--confg=configs/vae.py"], ["--confg", "--config=FILE"]),
        (["--config=configs/nowhere.py"], ["configs/nowhere.py", "no such file; choices: ", " vae,"]),
        (["--config=vea"], ["--config=vea: no such config; choices: vae, "]),
        (["--config=VAE.PY"], ["--config=VAE.PY: no such config; choices: "]),
        (["--config="], ["--config: its value is missing"]),
        ([VAE, "--config.latnet_dim=3"], ["latnet_dim=3", "latent_dim"]),
        ([VAE, "--config.latent_dim=ten"], ["latent_dim=ten", "whole number"]),
        ([VAE, "--config.latent_dim=-1"], ["latent_dim=-1", "at least 1"]),
        ([VAE, "--config.model=gan"], ["model=gan", "vae"]),
        ([VAE, "--config.model=ae"], ["objective=elbo", "model=ae", "reconstruction"]),
        ([VAE, "--config.dataset=mnits"], ["dataset=mnits", "did you mean mnist?; choices: digits, textbook_digits, "]),
        ([VAE, "--config=ae"], ["--config=ae: --config occurs twice"]),
        (["--workdir=setup.cfg"], ["--workdir=setup.cfg: a file, and no folder of a run"]),
        ([VAE, "--config.dataset=mnist", "--config.data_dir={tmp}/nowhere"], ["data_dir", "nowhere"]),
        ([VAE, "--config.dataset=mnist", "--config.data_dir={tmp}/empty"], ["data_dir", "empty", "train-images"]),
        ([VAE, "--config.dataset=mnist", "--config.data_dir={tmp}/wrong"], ["data_dir", "wrong", "train-images"]),
        ([VAE, "--config.batch_size=7"], ["batch_size=7", "6 or 8"]),
        ([VAE, "--config.batch_size=2000"], ["batch_size=2000", "1294"]),
        ([VAE, "--a\nb\u2028c"], [r"--a\nb\u2028c: unknown flag"]),
        ([VAE, ""], ["an empty word: unknown flag"]),
        ([VAE, "--config.=3"], ["--config.: unknown flag"]),
        ([VAE, "--config.x\ny=3"], [r"x\ny=3: unknown key"]),
        ([VAE, "--config.dataset=x\ny"], [r"dataset=x\ny", "line breaks"]),
        ([VAE, "--config.dataset=folder", "--config.data_dir={tmp}/a\0b"], [r"data_dir", r"a\x00b"]),
        (["--config=" + 300 * "x"], ["--config=xxx", "longer than"]),
        (["--workdir=" + 300 * "x"], ["--workdir=xxx", "longer than"]),
        (["--workdir=a\nb"], [r"--workdir=a\nb", "line breaks"]),
        ([VAE, "--config.latent_dim=2147483647"], ["latent_dim=2147483647", "GiB"]),
        ([VAE, "--config.hidden_dims=8,500000,500000"], ["hidden_dims=(8, 500000, 500000)", "GiB"]),
        (["--workdir={tmp}/nowhere"], ["nowhere", "no such folder", "--config=vae"]),
        (["--workdir={tmp}/empty"], ["empty", "not a run"]),
    ],
)
def test_bad_input_is_reported_in_one_line_and_leaves_no_files(capsys, tmp_path, monkeypatch, argv, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "wrong" / f"{name}-ubyte.gz").write_bytes(b"not gzip")
    before = sorted(tmp_path.rglob("*"))
    argv = [word.replace("{tmp}", str(tmp_path)) for word in argv]
    if VAE in argv:
        argv.append(f"--workdir={tmp_path}/run")
    (line,) = error_lines(capsys, argv)
    for word in words:
        assert word in line
    assert sorted(tmp_path.rglob("*")) == before


def test_all_problems_of_a_command_line_are_reported_at_once(capsys):
    lines = error_lines(capsys, [VAE, "--config.latent_dim=0", "--config.beta=-1", "--config.optimizer=adm"])
    assert {line.split("=")[0] for line in lines} == {"error: latent_dim", "error: beta", "error: optimizer"}


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nobody/run", "occupied"])
def test_a_workdir_that_is_not_writable_is_refused_and_not_changed(capsys, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "thesis.tex").write_text("mine")
    (line,) = error_lines(capsys, [VAE, f"--workdir={tmp_path / place}"])
    assert f"--workdir={tmp_path / place}" in line
    assert (tmp_path / "file").read_text() == "mine"
    assert [entry.name for entry in (tmp_path / "occupied").iterdir()] == ["thesis.tex"]


def test_a_run_of_another_config_is_refused_with_every_differing_key(capsys, tmp_path):
    config = config_lib.load_file("configs/vae.py")
    (tmp_path / "config.json").write_text(config_lib.to_json(config))
    lines = error_lines(capsys, [VAE, f"--workdir={tmp_path}", "--config.latent_dim=7", "--config.beta=2"])
    assert "latent_dim=7" in lines[0]
    assert lines[0].endswith("has latent_dim=2")
    assert "beta=2" in lines[1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]
    lines = error_lines(capsys, [f"--workdir={tmp_path}", "--config.seed=3"])
    assert "seed=3" in lines[0]


def test_the_error_for_an_invalid_config_json_names_the_file(capsys, tmp_path):
    (tmp_path / "config.json").write_text("{half")
    (line,) = error_lines(capsys, [f"--workdir={tmp_path}"])
    assert f"{tmp_path}/config.json" in line


def test_help_shows_flags_and_keys(capsys):
    assert main.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "--workdir=DIR" in out
    assert config_lib.key_table(registries.names("digits"), config_lib.flatten(config_lib.defaults())) in out


def test_a_key_of_a_config_file_that_nothing_reads_is_left_out_with_a_line_and_an_override_is_refused(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from vae_jax.config import defaults\ndef get_config():\n    c = defaults(); c.beta = 4.0; return c\n"
    )
    given = [f"--config={tmp_path}/mine.py", f"--workdir={tmp_path}/run", "--config.objective=importance"]
    (line,) = error_lines(capsys, [*given, "--config.beta=2"])
    assert (
        line
        == "error: beta=2.0: only objective=elbo or objective=factor reads this key, and the run has objective=importance"
    )
    assert main.run([*given, "--config.batch_size=7"]) == 2  # for another reason, after the file has been read
    captured = capsys.readouterr()
    assert "mine.py: left out, because nothing in this run reads them: beta" in captured.out
    assert "beta" not in captured.err


def test_flags_are_read_in_any_order():
    assert command_line.parse(["--config=~/c.py", "--workdir=~/runs/x"])[:2] == (
        os.path.expanduser("~/c.py"),
        os.path.expanduser("~/runs/x"),
    )
    flags = command_line.parse(["--config.beta=2", "--workdir=a b", "--config.log.parameters=true", "--config=c.py"])
    assert flags == command_line.Flags("c.py", "a b", (("beta", "2"), ("log.parameters", "true")), help=False)
    apart = ["--config.beta", "2", "--workdir", "a b", "--config.log.parameters", "true", "--config", "c.py"]
    assert command_line.parse(apart) == flags
    with pytest.raises(InputError, match=r"--workdir: its value is missing"):
        command_line.parse(["--workdir", "--config=x"])
    with pytest.raises(InputError, match=r"^--config.beta: its value is missing; write --config.beta=VALUE$"):
        command_line.parse(["--config=x", "--config.beta"])


def test_the_default_name_of_a_run_has_file_dataset_and_latent_size(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "train_and_evaluate", lambda config, workdir, *_: seen.append(workdir) or {})
    assert main.run([VAE, "--config.latent_dim=100"]) == 0
    assert main.run([VAE, "--config.latent_dim=100", "--config.num_epochs=3"]) == 0
    assert main.run([VAE]) == 0
    assert seen[0] == seen[1] != seen[2]
    assert str(seen[0]).startswith("runs/vae-digits-z100-")
    assert not Path(seen[0]).exists()


def test_a_run_is_given_the_command_line_that_starts_it_and_none_that_resumes_it(make_config, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "train_and_evaluate", lambda config, workdir, console, words: seen.append(words) or {})
    (tmp_path / "config.json").write_text(config_lib.to_json(make_config()))
    first = [VAE, "--config.seed=3", f"--workdir={tmp_path}"]
    assert main.run(first) == main.run([f"--workdir={tmp_path}"]) == 0
    assert [list(words) for words in seen] == [first, []]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), MemoryError("Unable to allocate 9 GiB"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory\n")],
)
def test_too_little_memory_is_reported_in_one_line(capsys, monkeypatch, tmp_path, error):
    def too_large(*_):
        raise error

    monkeypatch.setattr(train, "train_and_evaluate", too_large)
    assert main.run([VAE, f"--workdir={tmp_path}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory: ")
    assert "batch_size" in line


def test_an_internal_error_keeps_its_traceback(monkeypatch, tmp_path):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(train, "train_and_evaluate", broken)
    with pytest.raises(ZeroDivisionError):
        main.run([VAE, f"--workdir={tmp_path}"])


@pytest.mark.slow
def test_a_run_whose_data_have_moved_is_given_their_new_folder(make_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.random.default_rng(0).integers(0, 256, (100, 6, 5), np.uint8))
    config = make_config(dataset="arrays", data_dir="a.npy", batch_size=20, num_epochs=1, cache_dir="cache")
    train.train_and_evaluate(config_lib.validate(config, {}), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main.run(["--workdir=../run"]) == 0  # found from another folder
    os.rename(tmp_path / "a.npy", "b.npy")
    (line,) = error_lines(capsys, ["--workdir=../run"])
    assert str(tmp_path / "a.npy") in line
    before = (tmp_path / "run" / "config.json").read_text()
    assert main.run(["--workdir=../run", "--config.data_dir=b.npy", "--config.num_epochs=1"]) == 0
    after = (tmp_path / "run" / "config.json").read_text()
    assert after == before.replace(str(tmp_path / "a.npy"), str(tmp_path / "elsewhere" / "b.npy")) != before
    assert main.run(["--workdir=../run"]) == 0


@pytest.mark.parametrize("platform", first_fast(["cuda", "foo"]))
def test_a_platform_that_jax_cannot_start_is_reported_in_one_line(tmp_path, platform):
    command = [sys.executable, "-m", "vae_jax.main", VAE, f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": platform}
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: JAX_PLATFORMS={platform}: ")
    assert "JAX_PLATFORMS=cpu" in line
    assert not (tmp_path / "run").exists()
