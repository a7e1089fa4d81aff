"""Several processes that train one run: how they find each other, agree on what they train, and stop at the same step."""

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
    """Whether there are other processes. Where there are none, JAX's devices are not started to tell."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return not several() or jax.process_index() == 0


@contextmanager
def own_folder(workdir: Path) -> Iterator[Path]:
    """Where this process writes logs and frames: the first in the workdir, others in a folder that is removed."""
    if is_first():
        yield workdir
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def agree(stop: StopRequest) -> bool:
    """Whether a stop is asked for in any process: then all have it; all must ask."""
    if not several():
        return stop.signum is not None
    signum = int(_gathered(np.array(stop.signum or 0)).max())
    if signum:  # else what a signal has set meanwhile stays, for the next time
        stop.signum = signum
    return bool(signum)


def first_alone(action: Callable[[], None]) -> None:
    """Let the first process act; what it raises as InputError, all raise; all must ask."""
    problem = ""
    if is_first():
        try:
            action()
        except InputError as error:
            problem = str(error)
    told = _texts(problem)[0] if several() else problem
    if told:
        raise InputError(told)


def assert_same(what: Mapping[str, Any]) -> None:
    """Refuse processes that were not told the same; all must ask.

    Args:
        what: names and values, as JSON has them.

    Raises:
        InputError: a line for every name whose value differs between processes.
    """
    if not several():
        return
    told = [json.loads(text) for text in _texts(json.dumps(what))]
    problems = [
        f"{name}={other.get(name)}: process {i} has it, and process 0 {name}={told[0].get(name)}"
        for i, other in enumerate(told)
        for name in dict.fromkeys((*told[0], *other))
        if other.get(name) != told[0].get(name)
    ]
    if problems:
        raise InputError("\n".join([*problems, "all processes of a run need the same command"]))


def _texts(text: str) -> list[str]:
    """The text of every process, in their order."""
    own = np.frombuffer(text.encode(), np.uint8)
    longest = int(_gathered(np.array(len(own))).max())
    return [bytes(row).rstrip(b"\0").decode() for row in _gathered(np.pad(own, (0, longest - len(own))))]


def _gathered(values: np.ndarray) -> Any:
    """[processes, ...]: the values of every process, in their order."""
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(values).reshape(jax.process_count(), *values.shape)
