"""Commands on a run that may only be read: they say so, and write to --output instead."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vae_jax.commands import evaluate, export, health, nll, report, visualize

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
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere, and may not mount a file system here")
        shutil.copytree(runs["vae"], folder, dirs_exist_ok=True)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    "name", ["evaluate", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nll", "visualize", "health"))]
)
def test_a_run_that_may_only_be_read_is_measured_into_another_folder(read_only, tmp_path, refused, capsys, name):
    main, flags, file = COMMANDS[name]
    line = refused(main, [f"--workdir={read_only}", *flags])
    assert line.strip().endswith("; choices: --output=DIR")
    before = [*Path(read_only).rglob("*")]
    main([f"--workdir={read_only}", *flags, f"--output={tmp_path}/new"])
    assert (tmp_path / "new" / file).stat().st_size > 100
    assert str(tmp_path / "new") in capsys.readouterr().out
    assert [*Path(read_only).rglob("*")] == before


@pytest.mark.parametrize(
    ("main", "flags", "kind"), [(report.main, [], "FILE"), (export.main, ["--format=stablehlo"], "DIR")]
)
def test_the_commands_that_need_another_place_say_so(read_only, refused, main, flags, kind):
    if kind == "DIR":
        pytest.importorskip("flatbuffers", reason="what jax.export writes its files with is not installed")
    line = refused(main, [f"--workdir={read_only}", *flags])
    assert line.startswith(f"error: --workdir={read_only}")
    assert line.strip().endswith(f"; choices: --output={kind}")
