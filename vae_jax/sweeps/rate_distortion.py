"""A sweep of beta as rates and distortions."""

from collections.abc import Mapping, Sequence
from typing import Any

from vae_jax.sweeps.plan import Planned, Point

KEY = "beta"


def over_beta(points: Sequence[Point]) -> bool:
    """Whether beta is swept: the best checkpoint of a beta far from 1 is one of an early epoch, so the last ones are
    compared."""
    return len({dict(point)[KEY] for point in points if KEY in dict(point)}) > 1


def rates(
    runs: Sequence[Planned], results: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[tuple[str, float, float]]], str]:
    """(the other swept keys in words -> [(beta, kl, reconstruction)] of each run on test images, what is in the way).

    A sigma that follows the data is another at each beta: what beta does and what sigma does would not be told apart.
    """
    moving = sorted({run.config.sigma_mode for run in runs if run.config.likelihood == "gaussian"} - {"given"})
    if moving:
        return (
            {},
            f"sigma_mode={','.join(moving)}: sigma differs along the curve, which shows what beta does at one; sigma_mode=given",
        )
    if not all("test/kl" in found for found in results):
        return {}, "a model without a prior has no kl"
    kinds = {(found["pixels"], found["likelihood"]) for found in results}
    found: dict[str, list[tuple[str, float, float]]] = {}
    for run, numbers in zip(runs, results, strict=True):
        others = [f"{key}={value}" for key, value in run.point if key != KEY]
        kind = [f"{numbers['pixels']} pixels, {numbers['likelihood']}"] if len(kinds) > 1 else []
        point = dict(run.point)[KEY], numbers["test/kl"], numbers["test/reconstruction"]
        found.setdefault(" ".join(others + kind), []).append(point)
    return found, ""
