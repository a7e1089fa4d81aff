"""Commands on a run that may only be read: they say so, and write to --output instead."""

import subprocess
from pathlib import Path

import pytest

from vae_jax.commands import evaluate, health, nll, visualize

COMMANDS = {
    "evaluate": (evaluate.main, [], "evaluation_best.json"),
    "nll": (nll.main, ["--samples=2", "--images=4"], "nll.json"),
    "visualize": (visualize.main, ["--only=curves"], "curves.png"),
    "health": (health.main, ["--num_images=60", "--num_refined=50", "--steps=2", "--temperatures=2"], "health.json"),
}


@pytest.fixture(scope="module")
def read_only(runs, tmp_path_factory):
    """Return the VAE's directory, mounted read-only."""
    folder = tmp_path_factory.mktemp("mounted")
    mounts = (["mount", "--bind", runs["vae"], folder], ["mount", "-o", "remount,ro,bind", folder])
    if any(subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts):
        pytest.skip("no permission to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["evaluate", "nll", "visualize", pytest.param("health", marks=pytest.mark.slow)])
def test_a_run_that_may_only_be_read_is_measured_into_another_folder(read_only, tmp_path, refused, capsys, name):
    main, flags, file = COMMANDS[name]
    line = refused(main, [f"--workdir={read_only}", *flags])
    assert line.strip().endswith("; choices: --output=DIR")
    before = [*Path(read_only).rglob("*")]
    main([f"--workdir={read_only}", *flags, f"--output={tmp_path}/new"])
    assert (tmp_path / "new" / file).stat().st_size > 100
    assert str(tmp_path / "new") in capsys.readouterr().out
    assert [*Path(read_only).rglob("*")] == before
