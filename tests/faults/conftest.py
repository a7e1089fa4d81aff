"""Each test in this folder is a row, or part of a row, in the table of docs/reliability.md, made by `experiments.faults`.

A test names its fault, `@pytest.mark.fault("...")`, and may call `record_property` with "tried" (default 1), "survived"
(default: all tried, if the test passes) and "lost" (default: nothing). pytest --junitxml stores them.
"""

import io
import shutil

import pytest
from support.commands import digest

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
    """Return a run after three epochs, with a checkpoint per epoch, and the same run after four, both without figures."""
    three = tmp_path_factory.mktemp("trained") / "three"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
        go_on(make_config(num_epochs=3, checkpoint__every_epochs=1), three)
        four = shutil.copytree(three, three.with_name("four"))
        go_on(make_config(num_epochs=4, checkpoint__every_epochs=1), four)
    return three, four


@pytest.fixture
def damaged(trained, tmp_path, monkeypatch):
    """Return a copy of the run after three epochs, to be damaged."""
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
    return shutil.copytree(trained[0], tmp_path / "run")


@pytest.fixture
def continued(trained, damaged, make_config):
    """Return a function that resumes the damaged run, asserts that it ends like the other, and returns printed lines."""

    def act():
        told = go_on(make_config(num_epochs=4, checkpoint__every_epochs=1), damaged)
        assert digest(damaged) == digest(trained[1])
        for name in ("metrics.jsonl", "results.json"):
            assert (damaged / name).read_bytes() == (trained[1] / name).read_bytes()
        ours, theirs = (
            {(tag, str(point)) for tag, points in read_points(place).items() for point in points if "test/" not in tag}
            for place in (damaged, trained[1])
        )
        assert ours == theirs
        assert sum(map(len, read_points(damaged).values())) == len(
            {(t, p[0]) for t, ps in read_points(damaged).items() for p in ps}
        )
        return told

    return act
