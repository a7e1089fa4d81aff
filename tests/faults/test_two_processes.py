"""Two processes that train one run over the loopback: both survive a fault of one, and the pair can resume."""

import signal
import time

import pytest
from support.commands import MAIN, SMALL, assert_same_metrics, digest, finish, free_port, start, start_two

from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.writer import read_metrics

PAIR = pytest.mark.fault("two processes: one is killed, raises, or gets a signal")
CHANGED = pytest.mark.fault("continued on another number of devices or processes")
BASE = ["--config=configs/vae.py", *SMALL, "--config.dropout=0.2", "--config.checkpoint.every_epochs=1"]
PLANTED = """
import os, signal
import vae_jax.train as train
end_epoch = train.end_epoch
def planted(training, session):
    if session.progress.step == 3 * training.steps_per_epoch:
        {}
    return end_epoch(training, session)
train.end_epoch = planted
"""
ENDS = {"is killed": "os.kill(os.getpid(), signal.SIGKILL)", "raises": "raise ZeroDivisionError('planted')"}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """Return a run of four epochs, trained by two processes."""
    workdir = tmp_path_factory.mktemp("pair") / "run"
    arguments = [*BASE, f"--workdir={workdir}", "--config.num_epochs=4"]
    codes, out = finish(start_two(arguments, arguments))
    assert codes == [0, 0], out
    return workdir


@PAIR
@pytest.mark.slow
@pytest.mark.parametrize(("which", "end"), [(0, "is killed"), (1, "is killed"), (1, "raises")])
def test_when_one_process_ends_the_other_exits_and_the_pair_can_resume(
    tmp_path, untouched, record_property, which, end
):
    record_property("lost", "the epoch that was not yet saved, trained again")
    arguments = [*BASE, f"--workdir={tmp_path}/run", "--config.num_epochs=4"]
    where = f"--distributed=127.0.0.1:{free_port()},2"
    codes = {which: PLANTED.format(ENDS[end]) + MAIN, 1 - which: MAIN}
    running = [start(f"{where},{i}", *arguments, code=codes[i]) for i in range(2)]
    running[which].communicate(timeout=120)
    before = time.monotonic()
    told = running[1 - which].communicate(timeout=60)[0]
    assert time.monotonic() - before < 30
    # JAX also monitors the peers and aborts the process; on a busy machine it may be first, with its own message.
    aborted = running[1 - which].returncode == -signal.SIGABRT
    assert aborted or running[1 - which].returncode == 1, told
    assert ("indicates that another task died" if aborted else "error: another process is gone") in told
    assert "Traceback" not in told
    codes, out = finish(start_two(arguments, arguments))
    assert codes == [0, 0], out
    assert "resumed after step " in out[0]
    assert digest(tmp_path / "run") == digest(untouched)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (untouched / "metrics.jsonl").read_bytes()


@PAIR
@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_process_saves_and_stops_both(tmp_path, signum):
    arguments = [
        *BASE,
        f"--workdir={tmp_path}/run",
        "--config.num_epochs=100000",
        "--config.checkpoint.every_epochs=9999",
    ]
    running = start_two(arguments, arguments)
    limit = time.monotonic() + 100
    while time.monotonic() < limit and len(read_metrics(tmp_path / "run")) < 3:
        time.sleep(0.1)
    running[1].send_signal(signum)
    codes, out = finish(running)
    assert codes == [128 + signum] * 2, out
    assert "stopped; resume with: python -m vae_jax.main --workdir=" in out[0]
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest_step() == read_metrics(tmp_path / "run")[-1]["step"]


@CHANGED
@pytest.mark.slow
def test_one_process_resumes_a_run_of_two_and_the_reverse(tmp_path, record_property):
    record_property("tried", 2)
    base = [*BASE, "--config.num_epochs=2", "--config.streaming=on"]
    shared, alone = f"--workdir={tmp_path / 'shared'}", f"--workdir={tmp_path / 'alone'}"
    codes, out = finish([*start_two([*base, shared], [*base, shared]), start(*base, alone)])
    assert codes == [0, 0, 0], out
    more = "--config.num_epochs=4"
    codes, out = finish([*start_two([alone, more], [alone, more]), start(shared, more)])
    assert codes == [0, 0, 0], out
    assert [row["epoch"] for row in read_metrics(tmp_path / "alone")] == [1, 2, 3, 4]
    assert_same_metrics(tmp_path / "shared", tmp_path / "alone")
    one, two, rounding = "1 CPU device", "2 CPU devices of 2 processes", "equal up to rounding, not bit for bit"
    assert f"resumed after step 40; it was saved on {one} and continues on {two}: {rounding}\n" in out[0]
    assert f"resumed after step 40; it was saved on {two} and continues on {one}: {rounding}\n" in out[2]


@CHANGED
@pytest.mark.slow
def test_a_run_resumes_on_another_number_of_devices(tmp_path, record_property):
    record_property("tried", 2)
    told = {}
    for name, devices in (("changed", (1, 4, 2)), ("same", (2,))):
        for epochs, count in zip((1, 2, 3)[-len(devices) :], devices, strict=True):
            run = [*BASE, f"--workdir={tmp_path / name}", f"--config.num_epochs={epochs}"]
            codes, (told[name, count],) = finish([start(*run, devices=count)])
            assert codes == [0], told
    assert (
        "resumed after step 20; it was saved on 1 CPU device and continues on 4 CPU devices: equal up to"
        in told["changed", 4]
    )
    assert (
        "resumed after step 40; it was saved on 4 CPU devices and continues on 2 CPU devices: equal up to"
        in told["changed", 2]
    )
    assert_same_metrics(tmp_path / "changed", tmp_path / "same")
