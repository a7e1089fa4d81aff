"""The benchmark scripts apart from the measurements: stored results, and which rounds count."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of

from experiments.benchmarks import (
    gpu,
    gpu_runs,
    memory,
    nll,
    nll_contenders,
    peers,
    point,
    products,
    record,
    rounds,
    scaling,
    startup,
    train_speed,
)
from experiments.benchmarks.peers_code import contestants, processes
from experiments.benchmarks.peers_code.contestants import Measured
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.training.prepare import prepare
from vae_jax.types import Spec


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    return tmp_path / "benchmarks"


def test_a_result_is_stored_printed_and_rendered_with_its_command(folder, capsys):
    record.save("b", "python -m b", "Second", ["what", "s"], [["x", 1.5]], ["A note."])
    record.save("a", "python -m a --n=1", "First", ["what", "s"], [["y", 2.5]])
    assert "Second" in capsys.readouterr().out
    facts = json.loads((folder / "results" / "b.json").read_text())
    assert facts["rows"] == [["x", 1.5]]
    assert facts["versions"]["jax"]
    page = (folder / "README.md").read_text()
    assert page.index("## First") < page.index("`python -m a --n=1`") < page.index("## Second")
    assert "| what | s |\n| --- | --- |\n| x | 1.5 |\n\nA note.\n" in page


def test_a_stored_command_contains_no_local_path():
    argv = ["--data_dir=/home/me/mnist", "--rounds=3"]
    assert record.command("train_speed", argv) == "python -m experiments.benchmarks.train_speed --rounds=3"


@pytest.mark.parametrize(("busy_rounds", "kept"), [({1, 4}, 4), ({0, 1, 2, 3}, 6)])
def test_rounds_with_other_load_are_dropped_while_enough_remain(monkeypatch, busy_rounds, kept):
    calls = iter(range(100))

    def others_seconds():
        call = next(calls)
        return sum(1e3 for i in busy_rounds if i < (call + 1) // 2)

    monkeypatch.setattr(record, "others_seconds", others_seconds)
    seconds, disturbed = rounds.interleave({"ours": lambda: None, "other": lambda: None}, 6)
    assert len(seconds["ours"]) == len(seconds["other"]) == kept
    assert disturbed == len(busy_rounds)
    assert ("all rounds are used" in rounds.describe_disturbed("vae", disturbed, 6)) == (kept == 6)
    assert rounds.describe_disturbed("vae", 0, 6) == ""


def test_a_ratio_is_the_median_of_ratios_within_rounds():
    seconds = {"ours": np.array([1.0, 20.0, 3.0]), "torch": np.array([2.0, 40.0, 3.0])}
    assert train_speed.ratio(seconds, "ours", "torch").startswith("0.50 ")
    assert train_speed.ratio(seconds, "ours", "products") == train_speed.ratio(seconds, "products", "torch") == ""


def test_the_timed_loop_is_the_loop_of_a_run(make_config, tmp_path):
    with ExitStack() as files:
        bench = train_speed.Bench(make_config(), tmp_path, files)
        bench.epoch()
        bench.epoch()
    assert bench.session.progress.step == 2 * len(bench.order()) == 40
    assert bench.session.progress.sums == {}
    products.make_products(make_config(), 64, 3)()


def test_the_torch_loops_train_each_family(make_config):
    torch_loops = pytest.importorskip("experiments.benchmarks.torch_loops", reason="torch is not installed")
    images = np.zeros((64, 28, 28, 1), np.uint8)
    for changes in ({}, {"network": "conv", "conv.normalization": "group", "likelihood": "gaussian"}, {"model": "ae"}):
        loss = torch_loops.make_epoch(make_config(**changes), images)(np.arange(64, dtype=np.int32).reshape(2, 32))
        assert np.isfinite(loss)


def test_pythae_trains_a_network_of_as_many_parameters(make_config, tmp_path):
    pythae_loop = pytest.importorskip("experiments.benchmarks.pythae_loop", reason="pythae is not installed")
    config = make_config(model="quantized", network="conv", channels=(8, 16), likelihood="gaussian", num_train=128)
    with ExitStack() as files:
        bench = train_speed.Bench(config, tmp_path / "ours", files)
        assert np.isfinite(train_speed.pythae_epoch(bench, tmp_path)())
        other = pythae_loop.make_trainer(config, bench.run.dataset.train.images, tmp_path)
        more = pythae_loop.num_parameters(other) + 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pythae_loop, "num_parameters", lambda trainer: more)
            with pytest.raises(InputError, match="the times would not compare"):
                train_speed.pythae_epoch(bench, tmp_path)


def test_a_part_of_the_configs_is_written_to_a_table_of_its_own(folder, monkeypatch):
    monkeypatch.setattr(train_speed, "measure", lambda name, flags: ([name, *["1"] * 9], []))
    monkeypatch.setattr(train_speed.devices, "keep_memory", lambda config: None)
    train_speed.main(["--only=vae"])
    train_speed.main([])
    names = {path.stem: json.loads(path.read_text()) for path in (folder / "results").glob("*.json")}
    assert {name: [row[0] for row in facts["rows"]] for name, facts in names.items()} == {
        "train_speed": list(train_speed.CONFIGS),
        "train_speed_vae": ["vae"],
    }
    assert all(len(row) == len(facts["columns"]) for facts in names.values() for row in facts["rows"])


@pytest.mark.slow
def test_the_code_for_the_start_up_time_runs():
    with tempfile.TemporaryDirectory() as cache:
        assert startup.seconds(startup.FIRST_STEP, Path(cache)) > 0
    done = subprocess.run([sys.executable, "-c", startup.IMPORTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_trial_is_printed_and_not_stored(folder, capsys):
    record.save("a", "python -m a", "Title", ["what", "s"], [["x", 1]], ["A note."], keep=False)
    assert "trial: Title" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


def test_a_figure_is_shown_below_its_table(folder):
    record.save("a", "python -m a", "Title", ["what"], [["x"]], ["One.", "Two."], picture=b"png")
    assert (folder / "results" / "a.png").read_bytes() == b"png"
    page = (folder / "README.md").read_text()
    assert "| x |\n\n![Title](results/a.png)\n\nOne.\n\nTwo.\n\n`python -m a`" in page


def test_the_number_of_cores_is_printed_in_singular_or_plural(monkeypatch):
    monkeypatch.setattr(record, "_cores", lambda: 1)
    assert record.machine().endswith(", 1 core")
    monkeypatch.setattr(record, "_cores", lambda: 8)
    assert record.machine().endswith(", 8 cores")


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_process_that_hangs_or_fails_is_reported(tmp_path):
    log = tmp_path / "log"
    hang = command("import sys, time; print('begun', flush=True); time.sleep(60)")
    with pytest.raises(processes.Failed, match=r"not done after 0\.5 s"):
        processes.finish(hang, log, os.environ, 0.5)
    with pytest.raises(processes.Failed, match="not done after 1 s"):
        list(processes.lines(hang, log, os.environ, 1))
    broken = command("print('one', flush=True); raise SystemExit('Error: a | b')")
    with pytest.raises(processes.Failed, match=r"^failed: Error: a / b$"):
        processes.finish(broken, log, os.environ)
    with pytest.raises(processes.Failed, match=r"^failed: Error: a / b$"):
        list(processes.lines(broken, log, os.environ, 60))
    assert list(processes.lines(command("print(1); print(2)"), log, os.environ, 60)) == ["1\n", "2\n"]


def test_a_library_that_hangs_is_reported_in_its_row(monkeypatch):
    def late(*_):
        raise processes.late(7)

    measured = Measured(1.0, 2.0, 3.0, -100.0, "jax 1")
    monkeypatch.setattr(contestants, "make_environment", lambda name, envs: Path("python"))
    monkeypatch.setattr(contestants, "train_ours", lambda *_: measured)
    monkeypatch.setattr(contestants, "train_peer", lambda name, *_: late() if name == "pythae" else measured)
    flags = SimpleNamespace(peers=["vae_jax", "pythae", "keras-jax"], rounds=2, envs=Path())
    table = {row[0]: row for row in peers.rows(peers.measure(flags, Path()))}
    assert table["pythae"][-1] == "stopped: not done after 7 s"
    assert table["keras-jax"][2:4] == ["1", "1.00"]


def nll_results(failure: str = "") -> nll_contenders.Results:
    rounds = {
        "vae_jax": [nll_contenders.Round(200, 0.004, 100.0), nll_contenders.Round(200, 0.006, 102.0)],
        "pythae, batch_size=100": [nll_contenders.Round(10, 0.02, 100.1), nll_contenders.Round(10, 0.03, 101.9)],
    }
    if failure:
        del rounds["pythae, batch_size=100"]
    return nll_contenders.Results(rounds, failure, "pythae 1")


def test_log_likelihoods_are_compared_within_rounds_and_on_the_same_images():
    ours, theirs = nll.rows(nll_results())
    assert ours == ["vae_jax", "200", "5.00 (4.50-5.50)", "1.00 (1.00-1.00)", "50.0", "101.000", ""]
    assert theirs[3:] == ["0.20 (0.20-0.20)", "250.0", "101.000", "pythae 1"]
    assert nll.agreement(nll_results())[0].endswith("batch_size=100: +0.0000 ± 0.1000.")
    assert nll.rows(nll_results("not installed"))[-1] == ["pythae", "-", "-", "-", "-", "-", "not installed"]
    assert nll.agreement(nll_results("not installed")) == []


@pytest.mark.parametrize(("samples", "sizes"), [(1000, [100, 1000]), (50, [50]), (101, [1, 101]), (150, [75, 150])])
def test_pythae_draws_the_same_number_of_samples(samples, sizes):
    assert nll_contenders.peer_batches(samples) == sizes


def test_parameters_are_passed_to_pythae_in_order_from_input_to_output(make_config, key):
    model = make_model(make_config(hidden_dims=(16, 8)), Spec((8, 8, 1)))
    shapes = jax.eval_shape(model.init, key, sample_of(jnp.zeros((8, 8, 1))))
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    arrays = nll_contenders.arrays_of(params)
    shapes = [arrays[f"decoder_kernel_{i}"].shape for i in range(3)]
    assert shapes == [(3, 8), (8, 16), (16, 64)]
    np.testing.assert_array_equal(arrays["encoder_bias_2"], params["encoder"]["output"]["bias"])
    assert nll_contenders.make_products(params, 5)(2) > 0


def test_rounds_without_images_for_pythae_are_refused(tmp_path):
    with pytest.raises(InputError, match="--images=100: each of 5 rounds needs the 100 images of --peer_images"):
        nll.parse(["--images=100", f"--envs={tmp_path}"])


def test_memory_is_measured_with_warm_caches_and_once_with_cold_ones(monkeypatch):
    peaks = iter([900.0, 300.2, 800.0, 400.0])
    monkeypatch.setattr(memory, "peak", lambda keys, scratch, streaming: next(peaks))
    assert memory.row("x", 2**20, {}, Path()) == ["x", 1, 300, 400, 800]


def test_a_data_set_is_repeated_to_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "PIECE", 4)
    source = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    scaling.write_images(source, tmp_path / "images.npy", 10)
    images = np.load(tmp_path / "images.npy")
    assert images.shape == (10, 2, 2)
    np.testing.assert_array_equal(images[:, 0, 0], np.arange(10) % 3)


def test_a_point_is_measured_with_its_keys_and_devices_or_its_row_gives_the_reason(tmp_path, monkeypatch):
    asked = {}

    def finish(command, log, environ, seconds):
        task = json.loads(command[-1])
        asked.update(task["keys"] | {"flags": environ["XLA_FLAGS"]})
        if task["keys"]["hidden_dims"] == "4096":
            raise processes.late(seconds)
        Path(task["answer"]).write_text('{"ms": 2.5, "steps": 100, "peak": 300.4}')

    monkeypatch.setattr(processes, "finish", finish)
    point = scaling.measure("devices", 4, tmp_path / "images.npy", tmp_path)
    assert (asked["hidden_dims"], asked["latent_dim"]) == ("400", "20")
    assert asked["flags"].endswith("--xla_force_host_platform_device_count=4")
    assert scaling.row("devices", 4, point) == ["devices = 4", "2.50", "0.25", "300"]
    late = scaling.measure("hidden units", 4096, tmp_path / "images.npy", tmp_path)
    assert scaling.row("hidden units", 4096, late) == ["hidden units = 4,096", "stopped: not done after 600 s", "", ""]


def test_the_steps_of_a_point_agree_with_the_training_step(make_config):
    run = prepare(make_config())  # 20 steps per epoch
    rows, steps = zip(*itertools.islice(point.calls(run, 6), 4), strict=True)
    assert [each.shape for each in rows] == [(6, 64)] * 4
    assert steps == (0, 6, 12, 20)
    assert len(point.milliseconds(run, blocks=2, steps=6)) == 2
    assert point.peak_memory() >= 0


def test_the_scaling_plot_omits_failed_points():
    points = [scaling.Point(line, value, 2.0, 10, 300.0) for line, values in scaling.QUICK.items() for value in values]
    assert scaling.picture(points[1:]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_population_trains_each_seed_on_its_own_order_and_noise(make_config):
    run = prepare(make_config(num_train=128))
    state = gpu_runs.make_population(run, 2)()
    np.testing.assert_array_equal(state.step, [2, 2])
    kernels = state.params["decoder"]["output"]["kernel"]
    assert (kernels[0] != kernels[1]).any()
    assert gpu_runs.make_single(run)().step == 2


@pytest.mark.parametrize(
    ("tiny", "products", "name"),
    [
        (0.9, 0.3, "kernel launches"),
        (0.1, 0.7, "matrix products"),
        (0.1, 0.2, "arithmetic other than matrix products"),
        (0.1, None, "arithmetic"),
    ],
)
def test_a_step_is_limited_by_the_part_that_takes_most_of_its_time(tiny, products, name):
    assert gpu_runs.limit(1.0, tiny, products)[0] == name


def test_without_a_gpu_every_row_is_marked_and_no_measured_row_is_overwritten(folder):
    gpu.main([])
    facts = json.loads((folder / "results" / "gpu.json").read_text())
    assert [row[0] for row in facts["rows"]] == [what for what, _ in gpu.targets(gpu.FULL)]
    assert all(row[1] == "not measured: no GPU" for row in facts["rows"])
    gpu.main([])
    facts["rows"][0][1] = "2.50 s"
    (folder / "results" / "gpu.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"gpu\.json: was measured on .*; not overwritten"):
        gpu.main([])
