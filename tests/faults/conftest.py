"""Each test in this folder is a row, or part of a row, in the table of docs/reliability.md, made by `experiments.faults`.

A test names its fault, `@pytest.mark.fault("...")`, and may call `record_property` with "tried" (default 1), "survived"
(default: all tried, if the test passes) and "lost" (default: nothing). pytest --junitxml stores them.
"""

import io
import shutil

import pytest
from support.commands import digest
from support.plain_runs import without_pictures

from vae_jax.runs.tensorboard import read_points
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate


@pytest.fixture(autouse=True)
def _row(request, record_property):
    marker = request.node.get_closest_marker("fault")
    assert marker is not None, "which fault is this? see conftest.py"
    record_property("fault", marker.args[0])


def go_on(config, workdir):
    """Train to the end of the config and return the printed lines."""
    told = io.StringIO()
    train_and_evaluate(config, workdir, Console(told))
    return told.getvalue().splitlines()


@pytest.fixture(scope="session")
def trained(tmp_path_factory, make_config):
    """Return a run after three epochs, with a checkpoint per epoch, without pictures."""
    three = tmp_path_factory.mktemp("trained") / "three"
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        go_on(make_config(num_epochs=3, checkpoint__every_epochs=1), three)
    return three


@pytest.fixture(scope="session")
def whole(trained, make_config):
    """Return the run after four epochs."""
    four = shutil.copytree(trained, trained.with_name("four"))
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        go_on(make_config(num_epochs=4, checkpoint__every_epochs=1), four)
    return four


@pytest.fixture
def damaged(trained, tmp_path, monkeypatch):
    """Return a copy of the run after three epochs, to be damaged."""
    without_pictures(monkeypatch)
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def continued(whole, damaged, make_config):
    """Return a function that resumes the damaged run, asserts that it ends like the other, and returns printed lines."""

    def act():
        told = go_on(make_config(num_epochs=4, checkpoint__every_epochs=1), damaged)
        assert digest(damaged) == digest(whole)
        for name in ("metrics.jsonl", "results.json"):
            assert (damaged / name).read_bytes() == (whole / name).read_bytes()
        ours, theirs = (
            {(tag, str(point)) for tag, points in read_points(place).items() for point in points if "test/" not in tag}
            for place in (damaged, whole)
        )
        assert ours == theirs
        assert sum(map(len, read_points(damaged).values())) == len(
            {(t, p[0]) for t, ps in read_points(damaged).items() for p in ps}
        )
        return told

    return act
