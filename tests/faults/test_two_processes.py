"""Two processes that train one run over the loopback: what happens to one, both survive, and the pair goes on."""

import signal
import time

import pytest
from commands import assert_same_metrics, finish, start, start_two

from vae_jax.writer import read_metrics

PAIR = pytest.mark.fault("two processes: one is killed, raises, or gets a signal")
CHANGED = pytest.mark.fault("continued on another number of devices or processes")


@pytest.mark.slow
def test_each_goes_on_where_the_other_stopped(tmp_path):
    base = ["--config=configs/vae.py", *TINY, "--config.num_epochs=2", "--config.streaming=on"]
    shared, alone = f"--workdir={tmp_path / 'shared'}", f"--workdir={tmp_path / 'alone'}"
    codes, out = finish([*start_two([*base, shared], [*base, shared]), start(*base, alone)])
    assert codes == [0, 0, 0], out
    more = "--config.num_epochs=4"
    codes, out = finish([*start_two([alone, more], [alone, more]), start(shared, more)])
    assert codes == [0, 0, 0], out
    assert [row["epoch"] for row in read_metrics(tmp_path / "alone")] == [1, 2, 3, 4]
    assert_same_metrics(tmp_path / "shared", tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_one_ends_both(tmp_path, signum):
    arguments = ["--config=configs/vae.py", *TINY, f"--workdir={tmp_path}/run", "--config.num_epochs=100000"]
    running = start_two(arguments, arguments)
    limit = time.monotonic() + 100
    while time.monotonic() < limit and len(read_metrics(tmp_path / "run")) < 3:
        time.sleep(0.1)
    running[1].send_signal(signum)
    codes, out = finish(running)
    if signum == signal.SIGKILL:
        assert codes == [1, -signum], out
        assert "error: another process is gone" in out[0]
        assert "Traceback" not in out[0]
    else:
        assert codes == [128 + signum] * 2, out
        assert "stopped; continue: python -m vae_jax.main --workdir=" in out[0]
