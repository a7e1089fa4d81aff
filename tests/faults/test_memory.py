"""A batch that does not fit in memory."""

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
def test_a_too_large_batch_is_refused_with_a_size_that_fits(tmp_path, monkeypatch, make_config, record_property):
    """The recommended sizes are tried: they fit, and twice as many images do not."""
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
def test_a_model_that_does_not_fit_with_any_batch_is_reported(tmp_path, monkeypatch, make_config):
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
def test_running_out_of_memory_is_reported_in_one_line(capsys, ask):
    """The errors of XLA and NumPy for arrays larger than any machine's memory."""
    assert run_command(lambda: ask() and None) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory: ")
    assert "batch_size, eval.batch_size" in line


@pytest.mark.parametrize("version", [1, 2])
def test_cached_files_of_a_container_count_as_free_memory(tmp_path, monkeypatch, version):
    """Of 8 GiB, 1 is used and 6.5 contain cached files."""
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


def test_free_memory_is_a_plausible_number():
    free = memory.free_bytes()
    assert free is not None
    assert 0 < free < 2**50
