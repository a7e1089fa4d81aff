"""Two processes that open the same run."""

import os
import signal
import subprocess
import sys

import pytest
from support.commands import FAMILIES, ROOT, command, environment, execute, rows_when

from vae_jax.errors import InputError
from vae_jax.runs.writer import read_metrics
from vae_jax.system import locks

pytestmark = pytest.mark.fault("two processes start the same run")
HOLDER = """
import sys, time
from pathlib import Path
from vae_jax.system import locks
with locks.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_refusal_of_a_second_process_names_process_and_host_of_the_first(tmp_path, holder):
    words = rf"--workdir={tmp_path}: process {holder.pid} on {os.uname().nodename} is training in this folder; wait"
    with pytest.raises(InputError, match=words):
        locks.assert_free(tmp_path)
    with pytest.raises(InputError, match=words), locks.locked(tmp_path):
        raise AssertionError("held twice")
    assert (tmp_path / locks.FILE).exists()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_crash_leaves_no_lock(tmp_path, holder, signum, record_property):
    holder.send_signal(signum)
    holder.wait()
    assert (tmp_path / locks.FILE).exists()
    locks.assert_free(tmp_path)
    with locks.locked(tmp_path):
        assert (tmp_path / locks.FILE).read_text() == f"process {os.getpid()} on {os.uname().nodename}"
    assert not (tmp_path / locks.FILE).exists()


def test_only_one_process_holds_the_lock_at_a_time(tmp_path, record_property):
    """Each process increments the number in a file 30 times, in separate read and write steps."""
    code = """
import sys, time
from pathlib import Path
from vae_jax.system import locks
from vae_jax.errors import InputError
folder, done = Path(sys.argv[1]), 0
while done < 30:
    try:
        with locks.locked(folder):
            count = int((folder / "count").read_text())
            time.sleep(0.0005)
            (folder / "count").write_text(str(count + 1))
            done += 1
    except InputError:
        time.sleep(0.0002)
"""
    record_property("tried", 60)
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 2
    assert (tmp_path / "count").read_text() == "60"


@pytest.mark.slow
def test_a_second_command_exits_with_code_2_and_the_first_continues(tmp_path):
    flags = ["--config.num_epochs=400", "--config.checkpoint.every_epochs=50"]
    first = subprocess.Popen(
        command(tmp_path / "run", FAMILIES["ae"], *flags), cwd=ROOT, env=environment(), stdout=subprocess.PIPE
    )
    rows_when(tmp_path / "run", 1, first)
    for second in (command(tmp_path / "run", FAMILIES["ae"], *flags), command(tmp_path / "run", None)):
        done = subprocess.run(second, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=120)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: --workdir={tmp_path}/run: process {first.pid} on ")
        assert len(done.stderr.splitlines()) == 1
        assert first.poll() is None, "the first ended before the second was refused: give it more epochs"
    first.communicate(timeout=300)
    assert first.returncode == 0
    assert [row["epoch"] for row in read_metrics(tmp_path / "run")] == list(range(1, 401))
    assert "complete: 400 epochs" in execute(tmp_path / "run", None)
