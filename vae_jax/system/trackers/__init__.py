"""Trackers of experiments: where a team watches its runs. `runs/tracking.py` sends a run's record to one of them."""

from collections.abc import Callable
from importlib.util import find_spec

from vae_jax.errors import InputError
from vae_jax.system.trackers import mlflow_record, trackio_record, wandb_record
from vae_jax.system.trackers.connection import Connection, Opening

NONE = "none"
TRACKERS: dict[str, Callable[[Opening], Connection]] = {
    "trackio": trackio_record.start,
    "wandb": wandb_record.start,
    "mlflow": mlflow_record.start,
}
"""Name -> start. The package that it imports and the extra in setup.cfg that installs it have the same name."""


def installed(name: str) -> bool:
    """Return True if the tracker's package can be imported. A folder of that name, which wandb itself makes, is no package."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


def assert_installed(name: str) -> None:
    """Raise InputError if a tracker is chosen whose package is not installed."""
    if name != NONE and not installed(name):
        choices = [NONE, *filter(installed, TRACKERS)]
        raise InputError(
            f"log.tracker={name}: {name} is not installed; install it by pip install 'vae_jax[{name}]'; "
            f"choices: {', '.join(choices)}"
        )
