"""kill -9 at random moments: the resumed run has the same results as an uninterrupted one."""

import pytest

from experiments.faults.compare import Outcome, differences
from experiments.faults.kills import FLAGS, drill
from experiments.faults.promises import KILLS

pytestmark = pytest.mark.fault(KILLS)
SHORT = (*FLAGS, "--config.num_epochs=6")
AUTOENCODER = ("--config.model=ae", "--config.objective=reconstruction", "--config.binarize=none")


PLAIN = (
    "-c",
    "import sys, vae_jax.artifacts.figures as f, vae_jax.main as m; f.QUICK = (); sys.exit(m.run(sys.argv[1:]))",
)
"""A program without figures, because these take most of the time of a short run."""


def assert_survived(record_property, done, kills):
    record_property("tried", kills)
    record_property("lost", "epochs that were not yet saved, trained again")
    assert done.problems == ()
    assert (done.kills, done.survived) == (kills, kills)


@pytest.mark.slow
def test_a_run_killed_during_a_save_and_resumed_is_the_same(tmp_path, record_property):
    done = drill(tmp_path, 1, flags=SHORT, untouched=1, one_in_save=1, program=PLAIN)
    assert_survived(record_property, done, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "family"), [(4, ()), (2, AUTOENCODER)], ids=["vae", "ae"])
def test_runs_killed_at_random_moments_and_resumed_are_the_same(tmp_path, record_property, kills, family):
    assert_survived(record_property, drill(tmp_path, kills, flags=(*SHORT, *family), untouched=1), kills)


def test_a_difference_is_detected_and_named(record_property):
    record_property("tried", 0)
    points: dict = {"val/elbo": [(1, -2.0), (2, -1.0)]}
    one = Outcome("a", '{"step": 1}', {"step": 2}, points, ["checkpoints"])
    assert differences(one, one) == []
    assert differences(one._replace(state="b"), one) == ["state: not the same"]
    assert differences(one._replace(files=["checkpoints", "x.tmp"]), one) == ["files: unexpected ['x.tmp'], missing []"]
    for steps in ([(1, -2.0)], [(1, -2.0), (1, -2.0), (2, -1.0)]):
        found = differences(one._replace(tensorboard={"val/elbo": steps}), one)
        assert found[0] == f"TensorBoard, val/elbo: steps {[step for step, _ in steps]}, expected [1, 2]"
