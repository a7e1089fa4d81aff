"""What a task of a sweep sends back to the process that follows it."""

import pickle

import pytest

from vae_jax.errors import InputError, TrainingError
from vae_jax.sweeps.launchers import task


class OfAnotherPackage(Exception):
    """An error that no other process can read: its class takes two arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize("error", [InputError("a key"), TrainingError("the disk is full")])
def test_errors_of_ours_travel_as_they_are(error):
    assert task._portable(error) is error


def test_another_error_travels_as_its_text():
    error = OfAnotherPackage("this", "that")
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(error))
    found = pickle.loads(pickle.dumps(task._portable(error)))
    assert isinstance(found, TrainingError)
    assert str(found) == "OfAnotherPackage: this and that"
    assert task._portable({"test/elbo": -1.0}) == {"test/elbo": -1.0}
