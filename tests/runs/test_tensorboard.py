"""TensorBoard files: missing points are written again, and existing ones are not written twice."""

import pytest
from PIL import Image
from support.event_files import scalars, write

from vae_jax.runs.tensorboard import read_points
from vae_jax.runs.writer import Writer


def test_points_are_read_as_written(tmp_path):
    write(tmp_path, 0, range(1, 6), tensorboard=True)
    write(tmp_path, 3, range(4, 9), tensorboard=True)
    assert read_points(tmp_path) == scalars(tmp_path)
    assert [step for step, _ in read_points(tmp_path)["val/elbo"]] == list(range(1, 9))


@pytest.mark.parametrize("left", [0, 7, 100, 200, -1])
def test_points_lost_by_a_kill_are_written_again_and_counted(tmp_path, left):
    write(tmp_path, 0, range(1, 6), tensorboard=True)
    (events,) = tmp_path.glob("events.*")
    events.write_bytes(events.read_bytes()[:left])
    shown = sum(map(len, read_points(tmp_path).values()))
    with Writer(tmp_path, 4, tensorboard=True) as writer:
        lost = 8 - min(shown, 8)
        told = f"TensorBoard's files had lost {lost} points; they are written again from metrics.jsonl"
        assert writer.mended == ([told] if lost else [])
    assert {tag: sorted(points) for tag, points in read_points(tmp_path).items()} == {
        "train/loss": [(step, 100.0 - step) for step in range(1, 5)],
        "val/elbo": [(step, -step) for step in range(1, 5)],
    }
    with Writer(tmp_path, 4, tensorboard=True) as writer:
        assert writer.mended == []


def test_reading_stops_at_a_damaged_record(tmp_path):
    write(tmp_path, 0, range(1, 6), tensorboard=True)
    (events,) = tmp_path.glob("events.*")
    data = bytearray(events.read_bytes())
    before = read_points(tmp_path)
    second = data.index(b"val/elbo", data.index(b"val/elbo") + 1)
    data[second - 40 : second - 30] = bytes(10)
    events.write_bytes(data)
    assert read_points(tmp_path)["val/elbo"] == before["val/elbo"][:1]


def test_an_evaluation_that_was_killed_and_restarted_is_shown_once(tmp_path):
    Image.new("P", (4, 5)).save(tmp_path / "samples.png")
    for _ in range(2):
        with Writer(tmp_path, 5, tensorboard=True) as writer:
            writer.image(5, tmp_path / "samples.png")
            writer.close({"test/elbo": -100.0})
    assert read_points(tmp_path)["test/elbo"] == [(5, -100.0)]
    assert read_points(tmp_path)["samples"] == [(5, None)]


def test_a_kill_between_config_and_hyperparameters_duplicates_neither(tmp_path):
    declared = {"seed": 0}, ["test/elbo"]
    Writer(tmp_path, 0, True, *declared).close()
    (events,) = tmp_path.glob("events.*")
    data = events.read_bytes()
    events.write_bytes(data[: data.index(b"_hparams_/session_start_info")])
    for _ in range(2):
        Writer(tmp_path, 0, True, *declared).close()
    points = read_points(tmp_path)
    assert {tag: len(known) for tag, known in points.items()} == dict.fromkeys(points, 1)
    assert {"config/text_summary", "_hparams_/experiment", "_hparams_/session_start_info"} <= points.keys()
