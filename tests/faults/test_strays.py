"""Foreign files in the folder of a run, and truncated logs: ignored or repaired, and reported in one line."""

import re

import pytest

pytestmark = pytest.mark.fault("stray folders and files, metrics.jsonl ending in half a line, a TensorBoard file cut")
STRAYS = ("6", "x.tmp", "checkpoints/0", "checkpoints/6", "checkpoints/7.orbax-checkpoint-tmp", "checkpoints/99.tmp")
IN_THE_WAY = ("config.json.tmp", "results.json.tmp")
"""Folders with the name of a file that the run writes."""
HALVES = (b'{"step": 80, "ep', b'{"step"', b"\0\0\0")
MENDED = r"TensorBoard's files had lost \d+ points; they are written again from metrics.jsonl"


def scatter(workdir):
    for name in STRAYS + IN_THE_WAY:
        (workdir / name).mkdir()


def cut_tensorboard(workdir, left):
    (events,) = workdir.glob("events.out.tfevents.*")
    events.write_bytes(events.read_bytes()[: int(left * events.stat().st_size)])


def halve(workdir, half):
    with (workdir / "metrics.jsonl").open("ab") as file:
        file.write(half)


def test_each_is_reported_in_one_line_and_the_run_is_unchanged(damaged, continued, record_property, capfd):
    record_property("tried", len(STRAYS + IN_THE_WAY) + 2)
    scatter(damaged)
    halve(damaged, HALVES[0])
    cut_tensorboard(damaged, 0.5)
    told = continued()
    (strays,) = [line for line in told if line.startswith("ignored, not part of the run: ")]
    assert set(strays.partition(": ")[2].split(", ")) == {*STRAYS, *IN_THE_WAY}
    assert all((damaged / name).is_dir() for name in STRAYS + IN_THE_WAY)
    assert told.count(f"{damaged}/metrics.jsonl ended in half a line, which is removed") == 1
    assert sum(re.fullmatch(MENDED, line) is not None for line in told) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_an_incomplete_last_line_is_removed(damaged, continued, half):
    halve(damaged, half)
    assert continued().count(f"{damaged}/metrics.jsonl ended in half a line, which is removed") == 1


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 0.01, 0.3, 0.7])
def test_missing_points_of_a_tensorboard_file_are_rewritten(damaged, continued, record_property, left):
    record_property(
        "lost", "of a TensorBoard file the test metrics of an end that was passed; results.json has the last"
    )
    cut_tensorboard(damaged, left)
    assert sum(re.fullmatch(MENDED, line) is not None for line in continued()) == 1


@pytest.mark.slow
def test_an_undamaged_run_prints_no_such_message(continued, record_property):
    record_property("tried", 0)
    assert not any(word in line for line in continued() for word in ("ignored", "half a line", "TensorBoard"))
