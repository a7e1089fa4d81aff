"""The parts of a report that take time, how long each takes on this machine, and how far it is."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from vae_jax.evaluation.health.refinement import Speed

CODES, REFINING, ANNEALING, PROBES = "encoding", "refining posteriors", "annealing", "reading classes from codes"
PARTS = (CODES, REFINING, ANNEALING, PROBES)
COMPILATIONS: Mapping[str, float] = {CODES: 1.5, REFINING: 1.5, ANNEALING: 5.0, PROBES: 0.0}
"""The time to compile a part's programs, in compilations of a step of refinement."""
FIXED: Mapping[str, float] = {CODES: 1.2, REFINING: 0.3, ANNEALING: 0.2, PROBES: 0.3}
"""The seconds of a part apart from compilation and decoder passes, where `reference_seconds` is REFERENCE."""
PER_1000_IMAGES: Mapping[str, float] = {CODES: 0.9, REFINING: 0.0, ANNEALING: 0.0, PROBES: 0.2}
"""The same for 1,000 more images, of both splits together: the classifiers and the densities of codes."""
REFERENCE = 0.06


class Work:
    """The progress of a report; a function (words, share) is called as it advances.

    The shares are those of the estimated time.
    """

    def __init__(self, show: Callable[[str, float], None], seconds: Mapping[str, float]) -> None:
        self.seconds = dict(seconds)
        self._show = show

    def advance(self, part: str, share: float) -> None:
        """Show that this share of a part is finished, and all earlier parts."""
        before = sum(self.seconds[name] for name in PARTS[: PARTS.index(part)])
        self._show(part, (before + share * self.seconds[part]) / sum(self.seconds.values()))


class Amount(NamedTuple):
    """The amount of work."""

    num_images: int
    """The number of encoded images, of both splits together."""
    passes: Mapping[str, float]
    """The number of decoder passes with derivative of a part."""


def estimate(amount: Amount, speed: Speed) -> dict[str, float]:
    """Return the seconds that each part of a report will take, if the machine stays as busy as it is."""
    slowness = reference_seconds() / REFERENCE
    return {
        part: COMPILATIONS[part] * speed.compilation
        + slowness * (FIXED[part] + PER_1000_IMAGES[part] * amount.num_images / 1000)
        + amount.passes.get(part, 0) * speed.decoder_pass
        for part in PARTS
    }


def reference_seconds() -> float:
    """Return the time of a fixed computation, like that of the classifiers."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        rows, started = np.ones((200, 200)), time.monotonic()
        for _ in range(100):
            np.tanh(rows @ rows)
        return time.monotonic() - started
