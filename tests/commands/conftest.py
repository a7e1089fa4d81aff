"""Fixtures: two tiny trained runs, and functions that run a command in a subprocess or expect its error."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.plain_runs import without_pictures

from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate

TINY = {"log__tensorboard": False, "num_epochs": 2, "checkpoint__every_epochs": 1}


@pytest.fixture(scope="package")
def make_runs(make_config, tmp_path_factory) -> Callable[[], dict[str, Path]]:
    """Return a function that trains a VAE with two latent dimensions and latent frames, and an autoencoder."""

    def train() -> dict[str, Path]:
        root = tmp_path_factory.mktemp("runs")
        configs = {
            "vae": make_config(**TINY, latent_dim=2, log__latent_every_steps=8),
            "ae": make_config(**TINY, model="ae", objective="reconstruction", likelihood="gaussian"),
        }
        with open(os.devnull, "w") as nowhere:
            for name, config in configs.items():
                train_and_evaluate(config, root / name, Console(nowhere))
        return {name: root / name for name in configs}

    return train


@pytest.fixture(scope="package")
def runs(make_runs) -> dict[str, Path]:
    """Return the two runs, without pictures."""
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        return make_runs()


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function (module, *flags) that runs a module in a subprocess."""

    def run(module: str, *flags: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *map(str, flags)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    return run


@pytest.fixture
def call(capsys) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function (command, *flags) that runs a command in this process; test_commands.py starts its module."""

    def call(name: str, *flags: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        command = importlib.import_module(f"vae_jax.commands.{name}")
        code = run_command(lambda: command.main([*map(str, flags)]))
        return subprocess.CompletedProcess([name], code, *capsys.readouterr())

    return call


@pytest.fixture
def refused(runs, tmp_path, capsys, monkeypatch) -> Callable[..., str]:
    """Return a function (main, flags) that expects an error of one line and returns the line.

    In the flags VAE and AE stand for the trained runs, EMPTY for an empty folder, FILE for a file, BARE for a run
    without a checkpoint.
    """

    def refused(main: Callable[[list[str]], Any], flags: list[str]) -> str:
        monkeypatch.chdir(ROOT)
        for name in ("empty", "bare"):
            (tmp_path / name).mkdir()
        (tmp_path / "file").touch()
        (tmp_path / "bare" / "config.json").write_text((runs["vae"] / "config.json").read_text())
        places = {"VAE": runs["vae"], "AE": runs["ae"]} | {n.upper(): tmp_path / n for n in ("empty", "bare", "file")}
        for word, path in places.items():
            flags = [f"{flag.partition('=')[0]}={flag.partition('=')[2].replace(word, str(path))}" for flag in flags]
        assert run_command(lambda: main(flags)) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert len(error.splitlines()) == 1
        return error

    return refused
