"""Programs compiled ahead of time and cached on disk: reused with the same bits, and damaged ones are removed."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.paths import ROOT

from vae_jax.system.compilation import FOLDER, compile_ahead, sweep


def entry(folder: Path, name: str, content: bytes, age: float = 0) -> Path:
    path = folder / f"{name}-cache"
    path.write_bytes(content)
    written = path.stat().st_mtime - age
    os.utime(path, times=(written, written))
    return path


def test_a_function_compiled_ahead_is_traced_once_and_again_for_other_shapes():
    traced = []

    @jax.jit
    def double(x, rows):
        traced.append(x.shape)
        return 2 * x if rows is None else 2 * x[rows]

    ahead, _ = compile_ahead(double, jax.ShapeDtypeStruct((3,), jnp.float32), None)
    for _ in range(2):
        assert ahead(jnp.ones(3), None).tolist() == [2.0, 2.0, 2.0]
    assert traced == [(3,)]
    assert ahead(jnp.arange(4.0), jnp.array([1])).tolist() == [2.0]
    assert traced == [(3,), (4,)]


def test_an_error_of_compilation_ahead_of_time_is_raised_by_the_call():
    ahead, _ = compile_ahead(jax.jit(lambda x, y: x @ y), jnp.ones((2, 3)), jnp.ones((2, 3)))
    with pytest.raises(TypeError, match="dot_general"):
        ahead(jnp.ones((2, 3)), jnp.ones((2, 3)))


def test_a_reduction_that_is_subtracted_again_is_right_beyond_32768_elements():
    # jaxlib 0.10.2, which setup.cfg excludes, repeats its first 32,768 elements (jax issue 39103).
    rng = np.random.default_rng(0)
    axis, x = rng.normal(size=(4, 2)).astype(np.float32), rng.normal(size=(15_000, 4, 2)).astype(np.float32)
    found = jax.jit(lambda x: x - axis[None] * (axis[None] * x).sum(axis=-1, keepdims=True))(x)
    np.testing.assert_allclose(found, x - axis * (axis * x).sum(axis=-1, keepdims=True), atol=1e-5)


def test_the_sweep_removes_partial_files_and_checks_the_others_once(tmp_path):
    program = zlib.compress(bytes(range(256)) * 100)
    whole, cut, empty = (entry(tmp_path, f"e{i}", c) for i, c in enumerate([program, program[:-5], b""]))
    sweep(tmp_path)
    assert (whole.exists(), cut.exists(), empty.exists()) == (True, False, False)
    old, fresh = entry(tmp_path, "old", program[:-5], age=3600), entry(tmp_path, "fresh", program[:-5])
    sweep(tmp_path)
    assert (whole.exists(), old.exists(), fresh.exists()) == (True, True, False)


def test_the_sweep_removes_the_oldest_files_of_a_too_large_cache(tmp_path):
    program = zlib.compress(os.urandom(1000))
    paths = [entry(tmp_path, f"e{i}", program, age=100 * i) for i in range(5)]
    sweep(tmp_path, most_bytes=3 * len(program))
    assert [path.exists() for path in paths] == [True] * 3 + [False] * 2


def start(root: Path, name: str, *flags: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    command = [sys.executable, "-m", "vae_jax.main", "--config=configs/vae.py", f"--workdir={root / name}"]
    command += [f"--config.cache_dir={root / 'cache'}", "--config.num_epochs=2", "--config.hidden_dims=8", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return (root / name / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_a_second_start_compiles_nothing_and_a_damaged_program_is_compiled_again(tmp_path):
    first = start(tmp_path, "first")
    programs = {path: path.read_bytes() for path in (tmp_path / "cache" / FOLDER).glob("*-cache")}
    assert len(programs) > 5
    largest = max(programs, key=lambda path: len(programs[path]))
    os.truncate(largest, len(programs[largest]) // 2)
    assert start(tmp_path, "second") == first
    rewritten = [path for path, content in programs.items() if path.read_bytes() != content]
    assert rewritten == [largest]
    assert {*(tmp_path / "cache" / FOLDER).glob("*-cache")} == {*programs}
    assert start(tmp_path, "third", "--config.compilation_cache=false") == first
