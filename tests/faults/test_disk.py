"""A full disk: a small file system if one can be mounted, a limit of file sizes otherwise."""

import resource
import shutil
import subprocess

import numpy as np
import pytest
from support.commands import FAMILIES, ROOT, command, digest, environment, execute

from vae_jax.errors import TrainingError
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.writer import read_metrics
from vae_jax.system.disk import write

FLAGS = ["--config.num_epochs=3", "--config.checkpoint.every_epochs=1", "--config.hidden_dims=1024"]
"""With these flags a checkpoint takes 1.6 MB and requires 2.1 MB of free space."""


@pytest.fixture
def small_disk(tmp_path):
    """Return a function (size) -> a folder on a file system of that size; it skips the test if it cannot be mounted."""
    mounted = []

    def make(size: str):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("no permission to mount a small file system")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def failing(workdir, config, *flags, limit: int | None = None) -> list[str]:
    """Return the error lines of a run that ends with code 1 and no traceback."""
    done = subprocess.run(
        command(workdir, config, *flags),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=300,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines), done.stderr
    return lines


@pytest.mark.slow
@pytest.mark.fault("disk full during a save")
def test_a_save_without_space_keeps_earlier_checkpoints_and_the_run_can_resume(tmp_path, small_disk):
    """There is space for little more than one checkpoint; with more space the resumed run has the same bits."""
    disk = small_disk("3480k")
    first, second = failing(disk / "run", FAMILIES["vae"], *FLAGS)
    assert first.startswith(f"error: {disk}/run/checkpoints/")
    assert "cannot be written, the disk is full: " in first
    assert " MB needed, the disk has " in first
    assert second.startswith("error: the checkpoint of step ")
    shutil.copytree(disk / "run", tmp_path / "run")
    execute(tmp_path / "run", None)
    execute(tmp_path / "straight", FAMILIES["vae"], *FLAGS)
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")
    assert read_metrics(tmp_path / "run") == read_metrics(tmp_path / "straight")


@pytest.mark.slow
@pytest.mark.fault("disk full during a save")
def test_a_limit_of_file_sizes_is_named_in_the_error(tmp_path):
    first, second = failing(tmp_path / "run", FAMILIES["vae"], *FLAGS, limit=1_200_000)
    assert first.endswith("(a quota or a limit of file sizes?)")
    assert second == "error: there is no checkpoint yet; with more space the same command resumes"


@pytest.mark.slow
@pytest.mark.fault("disk full during figures")
def test_figures_without_space_are_drawn_by_the_next_command(small_disk):
    disk = small_disk("8m")
    execute(disk / "run", FAMILIES["vae"], *FLAGS)
    before = digest(disk / "run")
    shutil.rmtree(disk / "run/figures")
    for name in ("results.json", "report.html"):
        (disk / "run" / name).unlink()
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 30_000))
    (line,) = failing(disk / "run", None)
    assert line.startswith(f"error: {disk}/run/figures/")
    assert "cannot be written, the disk is full" in line
    (disk / "filler").unlink()
    assert "figures/curves.png" in execute(disk / "run", None)
    assert digest(disk / "run") == before


@pytest.mark.slow
@pytest.mark.fault("disk full while the data cache is written")
def test_a_cache_without_space_leaves_no_files(tmp_path, small_disk):
    disk = small_disk("1m")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (3000, 28, 28), np.uint8))
    flags = ["--config.dataset=arrays", f"--config.data_dir={tmp_path}/images.npy", f"--config.cache_dir={disk}"]
    (line,) = failing(tmp_path / "run", FAMILIES["vae"], *FLAGS, *flags, "--config.compilation_cache=false")
    assert line.startswith(f"error: {disk}")
    assert "cannot be written, the disk is full: 1.7 MB needed, the disk has " in line
    assert list(disk.iterdir()) == []
    assert not (tmp_path / "run").exists()


@pytest.mark.fault("disk full during a save")
def test_a_failed_save_keeps_the_previous_checkpoint_intact(tmp_path, small_disk, record_property):
    """In process, for several sizes of a disk with space for the first save and not for the second."""
    record_property("tried", 3)
    state = {"w": np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)}
    for size in ("500k", "600k", "700k"):
        disk = small_disk(size)
        with Checkpoints(disk / "checkpoints") as checkpoints:
            checkpoints.save(1, state, {}, None)
            with pytest.raises(
                TrainingError, match=r"is full: 432.0 kB needed, .*\nthe checkpoint of step 1 is intact"
            ):
                checkpoints.save(2, state, {}, None)
        with Checkpoints(disk / "checkpoints", read_only=True) as checkpoints:
            restored = checkpoints.restore(state)
        assert restored is not None
        assert restored.step == 1
        assert (restored.state["w"] == state["w"]).all()


@pytest.mark.fault("disk full during figures")
def test_a_file_is_written_completely_or_not_at_all(small_disk):
    disk = small_disk("64k")
    write(disk / "figure.png", b"old")
    with pytest.raises(
        TrainingError, match=rf"^{disk}/figure.png: .* is full: 100.0 kB needed, the disk has \d+.\d kB left"
    ):
        write(disk / "figure.png", bytes(100_000))
    assert (disk / "figure.png").read_bytes() == b"old"
    assert [path.name for path in disk.iterdir()] == ["figure.png"]
