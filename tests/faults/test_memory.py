"""A batch for which there is not enough memory."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.errors import InputError
from vae_jax.system import memory
from vae_jax.system.command import run_command
from vae_jax.train import train_and_evaluate
from vae_jax.training import prepare

pytestmark = pytest.mark.fault("out of memory: an absurd batch size")
FREE = 3 * 10**6


@pytest.mark.slow
def test_an_absurd_batch_is_refused_with_what_would_fit(tmp_path, monkeypatch, make_config, record_property):
    """The sizes that the message names are tried: they fit, and twice as many images do not."""
    record_property("tried", 4)
    monkeypatch.setattr(memory, "free_bytes", lambda: FREE)
    config = make_config(batch_size=1024, hidden_dims=(256,))
    with pytest.raises(InputError, match=r"batch_size=1024: a training step needs \d.* MB of memory") as caught:
        train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    told = re.search(
        r"3\.0 MB are free; choices: batch_size=(\d+) or less, or accumulate_steps=(\d+)", str(caught.value)
    )
    assert told is not None, str(caught.value)
    most, parts = map(int, told.groups())
    prepare.prepare(make_config(batch_size=most, hidden_dims=(256,)), ahead=True).ready()
    prepare.prepare(make_config(batch_size=1024, accumulate_steps=parts, hidden_dims=(256,)), ahead=True).ready()
    with pytest.raises(InputError, match="batch_size="):
        prepare.prepare(make_config(batch_size=2 * most, hidden_dims=(256,)), ahead=True).ready()


@pytest.mark.slow
def test_a_model_that_no_batch_lets_fit_is_told_so(tmp_path, monkeypatch, make_config):
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**5)
    with pytest.raises(InputError, match=r"are needed with any batch; choices: a smaller model"):
        prepare.prepare(make_config(hidden_dims=(256,)), ahead=True).ready()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: jax.jit(lambda: jnp.ones((2**45,), jnp.float32) + 1)().block_until_ready(),
        lambda: np.zeros(2**60, np.uint8),
    ],
)
def test_a_shortage_in_the_middle_is_one_line(capsys, ask):
    """XLA's own error and NumPy's, of arrays larger than any machine."""
    assert run_command(lambda: ask() and None) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory: ")
    assert "batch_size, eval.batch_size" in line


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_cached_files_are_free_memory(tmp_path, monkeypatch, version):
    """8 GiB, of which 1 is used and 6.5 hold files that were read."""
    giga = 2**30
    folder = tmp_path / "memory" if version == 1 else tmp_path
    folder.mkdir(exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
    for name, size in zip(names, (8 * giga, 7.5 * giga), strict=True):
        (folder / name).write_text(f"{int(size)}\n")
    before = "total_" if version == 1 else ""
    (folder / "memory.stat").write_text(
        f"anon {giga}\n{before}inactive_file {6 * giga}\n{before}active_file {giga // 2}\n"
    )
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory._left_by_container() == 7 * giga
    (folder / names[0]).write_text("max\n")
    assert memory._left_by_container() is None


def test_what_is_free_is_between_nothing_and_all_there_is():
    free = memory.free_bytes()
    assert free is not None
    assert 0 < free < 2**50
