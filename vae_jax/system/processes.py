"""Several processes that train one run: they check that their configs agree, and stop at the same step."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError
from vae_jax.system.signals import StopRequest


def several() -> bool:
    """Return True if there are other processes. Without `--distributed` this does not start JAX's devices."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Return True if this process is the one that writes files and prints."""
    return not several() or jax.process_index() == 0


@contextmanager
def own_folder(workdir: Path) -> Iterator[Path]:
    """Context manager: the folder for logs and frames, the workdir for the first process, else a temporary one."""
    if is_first():
        yield workdir
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def agree(stop: StopRequest) -> bool:
    """Return True if any process was asked to stop, and pass the request to all. Collective: every process must call it."""
    if not several():
        return stop.signum is not None
    signum = int(_gathered(np.array(stop.signum or 0)).max())
    if signum:  # otherwise a signal that came meanwhile stays for the next call
        stop.signum = signum
    return bool(signum)


def first_alone(action: Callable[[], None]) -> None:
    """Run an action in the first process only; all raise its InputError. Collective: every process must call it."""
    problem = ""
    if is_first():
        try:
            action()
        except InputError as error:
            problem = str(error)
    message = _texts(problem)[0] if several() else problem
    if message:
        raise InputError(message)


def assert_same(what: Mapping[str, Any]) -> None:
    """Raise InputError, with a line for each name whose JSON value differs between processes, if any does.

    Collective: every process must call it.
    """
    if not several():
        return
    given = [json.loads(text) for text in _texts(json.dumps(what))]
    problems = [
        f"{name}={other.get(name)}: given to process {i}, but process 0 has {name}={given[0].get(name)}"
        for i, other in enumerate(given)
        for name in dict.fromkeys((*given[0], *other))
        if other.get(name) != given[0].get(name)
    ]
    if problems:
        raise InputError("\n".join([*problems, "give the same command to all processes of a run"]))


def _texts(text: str) -> list[str]:
    """Return the texts of all processes, in order."""
    own = np.frombuffer(text.encode(), np.uint8)
    longest = int(_gathered(np.array(len(own))).max())
    return [bytes(row).rstrip(b"\0").decode() for row in _gathered(np.pad(own, (0, longest - len(own))))]


def _gathered(values: np.ndarray) -> Any:
    """Return the values of all processes, in order, as [processes, ...]."""
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(values).reshape(jax.process_count(), *values.shape)
