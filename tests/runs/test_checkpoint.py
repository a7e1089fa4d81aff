"""checkpoint.py: bit-exact round trips, retention, and recovery from damage, foreign files, kills and full disks."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from support.damage import DAMAGE, flip_bit
from support.paths import ROOT

from vae_jax.errors import InputError, TrainingError
from vae_jax.runs.checkpoint import MANIFEST, Checkpoints, Restored

INFO = {"epoch": 3, "sums": {"loss": 0.1 + 0.2, "elbo": -1 / 3}, "best": float("-inf"), "name": "vae"}


class State(NamedTuple):
    step: Any
    params: Any
    opt_state: Any


def make_state(step: int = 0, width: int = 8) -> State:
    key_kernel, key_bias = jax.random.split(jax.random.key(step))
    dense = {"kernel": jax.random.normal(key_kernel, (4, width)), "bias": jax.random.normal(key_bias, (width,))}
    params = {"encoder": {"Dense_0": dense}, "likelihood": {}, "half": dense["bias"].astype(jnp.bfloat16)}
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    return State(jnp.asarray(step, jnp.int32), params, optimizer.init(params))


def assert_same_bits(actual: Any, expected: Any) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def save_all(directory: Path, metrics: dict[int, float | None]) -> None:
    with Checkpoints(directory) as checkpoints:
        for step, metric in metrics.items():
            checkpoints.save(step, make_state(step), INFO, metric)


def restored_step(directory: Path, which: Any = "latest") -> int:
    with Checkpoints(directory, read_only=True) as checkpoints:
        restored = checkpoints.restore(make_state(), which)
        assert restored is not None
        assert_same_bits(restored.state, make_state(restored.step))
        return restored.step


def steps_in(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal())


def listing(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("three") / "checkpoints"
    save_all(directory, {1: -3.0, 2: -2.0, 3: -1.0})
    return directory


@pytest.fixture
def copy(three: Path, tmp_path: Path) -> Path:
    return shutil.copytree(three, tmp_path / "checkpoints")


def largest(step: Path) -> Path:
    return max((path for path in step.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def test_round_trip_is_bit_exact(three: Path) -> None:
    with Checkpoints(three, read_only=True) as checkpoints:
        for template in (make_state(), jax.eval_shape(make_state)):
            restored = checkpoints.restore(template)
            assert isinstance(restored, Restored)
            assert restored.step == 3
            assert restored.info == INFO
            assert_same_bits(restored.state, make_state(3))
            assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored.state))


def test_without_a_template_the_state_is_restored_to_the_host_with_its_names(three: Path) -> None:
    with Checkpoints(three, read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    assert restored is not None
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(restored.state))
    kernel = restored.state["params"]["encoder"]["Dense_0"]["kernel"]
    assert_same_bits(kernel, make_state(3).params["encoder"]["Dense_0"]["kernel"])


@pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")
def test_the_template_decides_the_sharding(tmp_path: Path) -> None:
    def shard(state: State, count: int) -> State:
        mesh = Mesh(np.array(jax.devices()[:count]), ("batch",))
        return jax.tree.map(
            lambda x: jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch") if x.ndim else PartitionSpec())),
            state,
        )

    with Checkpoints(tmp_path) as checkpoints:
        for step, (saved, wanted) in enumerate([(2, 1), (1, 2), (2, 2)]):
            checkpoints.save(step, shard(make_state(step), saved), INFO, None)
            template = shard(make_state(), wanted)
            restored = checkpoints.restore(template)
            assert restored is not None
            assert_same_bits(restored.state, make_state(step))
            assert jax.tree.map(lambda x: x.sharding, restored.state) == jax.tree.map(lambda x: x.sharding, template)
        plain = checkpoints.restore(make_state())
        assert plain is not None
        assert all(len(x.devices()) == 1 for x in jax.tree.leaves(plain.state))


def test_an_uncommitted_template_restores_uncommitted_arrays(three: Path) -> None:
    with Checkpoints(three, read_only=True) as checkpoints:
        restored = checkpoints.restore(make_state())
    assert restored is not None
    assert not any(x.committed for x in jax.tree.leaves(restored.state))


def test_buffers_may_be_reused_once_save_returns(tmp_path: Path) -> None:
    big = {"host": np.zeros(300_000, np.float32), "device": jnp.zeros(300_000)}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, big, INFO, None)
        big["host"] += 1
        jax.block_until_ready(jax.jit(lambda x: x + 1, donate_argnums=0)(big["device"]))
        restored = checkpoints.restore(None)
    assert restored is not None
    assert not restored.state["device"].any()
    assert not restored.state["host"].any()


@pytest.mark.parametrize("later", [(-9.0, -8.0, -7.0), (float("nan"), None, float("inf")), (None, None, None)])
def test_the_two_latest_steps_and_the_best_are_kept(tmp_path: Path, later: tuple[float | None, ...]) -> None:
    save_all(tmp_path, {1: -5.0, 2: -1.0})
    save_all(tmp_path, dict(zip((3, 4, 5), later, strict=True)))  # the same as seen by another process
    assert steps_in(tmp_path) == [2, 4, 5]
    assert restored_step(tmp_path) == 5
    assert restored_step(tmp_path, "best") == 2


def test_the_latest_step_is_the_best_without_any_finite_metric(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() is None
        assert checkpoints.best_step() is None
        assert checkpoints.restore(make_state()) is None
        checkpoints.save(1, make_state(1), INFO, float("nan"))
        checkpoints.save(2, make_state(2), INFO, None)
        assert checkpoints.latest_step() == 2
        assert checkpoints.best_step() == 2
        checkpoints.save(3, make_state(3), INFO, -1e9)
        checkpoints.save(4, make_state(4), INFO, float("inf"))
        assert checkpoints.latest_step() == 4
        assert checkpoints.best_step() == 3


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_skipped_with_one_warning(copy: Path, damage: Any, capfd: pytest.CaptureFixture[str]) -> None:
    damage(largest(copy / "3"))
    before = listing(copy)
    assert restored_step(copy) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(copy / "3") in lines[0]
    assert str(copy / "2") in lines[0]
    assert listing(copy) == before


def test_damage_to_any_file_is_detected(copy: Path) -> None:
    for path in sorted((copy / "3").rglob("*")):
        if path.is_file():
            for damage in DAMAGE.values():
                intact = path.read_bytes()
                damage(path)
                assert restored_step(copy) == 2, path
                path.write_bytes(intact)
    assert restored_step(copy) == 3


def test_if_all_steps_are_damaged_it_is_an_error_and_nothing_is_deleted(copy: Path) -> None:
    for step in steps_in(copy):
        flip_bit(largest(copy / str(step)))
    before = listing(copy)
    with pytest.raises(InputError, match=str(copy)) as caught:
        restored_step(copy)
    assert "\n" not in str(caught.value)
    assert listing(copy) == before


def test_a_given_step_is_restored_or_refused(copy: Path) -> None:
    flip_bit(largest(copy / "3"))
    with Checkpoints(copy, read_only=True) as checkpoints:
        restored = checkpoints.restore(make_state(), step=2)
        assert restored is not None
        assert restored.step == 2
        for step in (3, 7):
            with pytest.raises(InputError, match=f"{step}"):
                checkpoints.restore(make_state(), step=step)


def test_a_damaged_step_is_saved_again(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flip_bit(largest(copy / "3"))
    with Checkpoints(copy) as checkpoints:
        assert checkpoints.restore(make_state()).step == 2  # pyright: ignore[reportOptionalMemberAccess]
        checkpoints.save(3, make_state(3), INFO, -1.0)
        checkpoints.save(4, make_state(4), INFO, -1.5)
    capfd.readouterr()
    assert steps_in(copy) == [3, 4]
    assert restored_step(copy) == 4
    assert restored_step(copy, "best") == 3
    assert capfd.readouterr().err == ""


def test_a_damaged_step_does_not_count_as_the_best(copy: Path) -> None:
    flip_bit(largest(copy / "3"))  # also the best
    save_all(copy, {4: -5.0, 5: -4.0, 6: -6.0})
    assert {2, 5, 6} <= set(steps_in(copy))
    assert restored_step(copy, "best") == 2


def test_a_damaged_step_does_not_count_as_one_of_the_two_latest(tmp_path: Path) -> None:
    save_all(tmp_path, {1: 0.0, 2: -2.0, 3: -1.0})
    flip_bit(largest(tmp_path / "3"))
    save_all(tmp_path, {4: -5.0})
    assert {1, 2, 4} <= set(steps_in(tmp_path))


def test_a_metric_that_changed_on_disk_is_detected(copy: Path) -> None:
    manifest = copy / "2" / MANIFEST
    assert b"-2.0" in manifest.read_bytes()
    manifest.write_bytes(manifest.read_bytes().replace(b"-2.0", b"12.0"))
    assert restored_step(copy, "best") == 3


def test_an_intact_step_is_not_saved_again(copy: Path) -> None:
    before = listing(copy)
    save_all(copy, {3: 1.0})
    assert listing(copy) == before


def test_foreign_files_are_ignored_and_kept(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copy / "0").mkdir()
    (copy / "6").mkdir()
    (copy / "7.orbax-checkpoint-tmp-123").mkdir()
    (copy / "foo.orbax-checkpoint-tmp-123").mkdir()
    (copy / "8").write_text("a file")
    (copy / "notes_9").mkdir()
    assert restored_step(copy) == 3
    save_all(copy, {4: -5.0, 5: -4.0, 6: -6.0})
    assert set(steps_in(copy)) == {0, 3, 5, 6, 8}
    assert restored_step(copy) == 6
    assert (copy / "8").read_text() == "a file"
    assert (copy / "notes_9").is_dir()
    assert (copy / "foo.orbax-checkpoint-tmp-123").is_dir()
    assert capfd.readouterr().err == ""


def test_a_step_without_a_manifest_is_damaged(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copy / "3" / MANIFEST).unlink()
    assert restored_step(copy) == 2
    assert f"{copy}/3 is damaged ({MANIFEST} is missing); using {copy}/2" in capfd.readouterr().err


def test_the_error_for_a_mismatch_names_the_parameter(three: Path) -> None:
    with Checkpoints(three, read_only=True) as checkpoints:
        with pytest.raises(InputError) as caught:
            checkpoints.restore(make_state(width=16))
        message = str(caught.value)
        assert "params/encoder/Dense_0/kernel: saved float32[4,8], the config gives float32[4,16]" in message
        assert "more" in message
        assert message.count("\n") == 6
        state = make_state()
        less, more = state._replace(params={}), state._replace(params={**state.params, "new": jnp.zeros(2)})
        with pytest.raises(InputError, match=r"params/half: saved bfloat16\[8\], the config has no such"):
            checkpoints.restore(less)
        with pytest.raises(InputError, match=r"params/new: not saved, the config gives float32\[2\]"):
            checkpoints.restore(more)
        with pytest.raises(InputError, match=r"step: saved int32\[\], the config gives float32"):
            checkpoints.restore(state._replace(step=jnp.zeros(())))


def test_read_only_changes_nothing_and_logs_nothing(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Checkpoints(tmp_path / "absent", read_only=True) as checkpoints:
        assert checkpoints.restore(make_state()) is None
        assert checkpoints.best_step() is None
    assert not (tmp_path / "absent").exists()
    before, times = listing(copy), [path.stat().st_mtime_ns for path in [copy, *sorted(copy.rglob("*"))]]
    assert restored_step(copy, "best") == 3
    assert (listing(copy), [path.stat().st_mtime_ns for path in [copy, *sorted(copy.rglob("*"))]]) == (before, times)
    assert caplog.records == []


KILLED = """
import os, signal, sys
import jax.numpy as jnp
from pathlib import Path
from vae_jax.runs.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
state = {"w": jnp.full(2_000_000, 1.0)}
checkpoints.save(1, state, {}, None)
checkpoints.wait()
checkpoints.save(2, {"w": state["w"] + 1}, {}, None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_kill_right_after_save_leaves_intact_checkpoints(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=environment, capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr.decode()
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(None)
        assert restored is not None
        assert (restored.state["w"] == restored.step).all()
        checkpoints.save(2, {"w": jnp.full(2_000_000, 2.0)}, {}, None)  # over the files of the killed process
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(None)
        assert restored is not None
        assert restored.step == 2
        assert (restored.state["w"] == 2).all()


def test_the_manifest_is_committed_with_its_step(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1), INFO, None)
        while not (tmp_path / "1").exists():
            pass
        assert '"state/' in (tmp_path / "1" / MANIFEST).read_text()


def test_a_failed_save_can_be_repeated(tmp_path: Path) -> None:
    state = {"w": np.random.default_rng(0).normal(size=100_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, INFO, 1.0)
        checkpoints.wait()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(TrainingError, match="the disk is full"):
                checkpoints.save(2, state, INFO, 2.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert checkpoints.latest_step() == 1
        assert checkpoints.best_step() == 1
        checkpoints.save(2, state, INFO, 2.0)
        checkpoints.wait()
        restored = checkpoints.restore(None, "best")
    assert restored is not None
    assert restored.step == 2


def test_exit_finishes_a_pending_save_even_on_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(KeyError), Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1), INFO, None)
        raise KeyError
    assert restored_step(tmp_path) == 1
    assert capfd.readouterr().err == ""
