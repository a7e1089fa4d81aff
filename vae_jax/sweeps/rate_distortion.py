"""Rates and distortions of a sweep over beta."""

from collections.abc import Mapping, Sequence
from typing import Any

from vae_jax.sweeps.plan import Planned, Point

KEY = "beta"


def over_beta(points: Sequence[Point]) -> bool:
    """Return True if beta is swept.

    Then the last checkpoints are compared: by elbo, the best one of a beta far from 1 is from an early epoch.
    """
    return len({dict(point)[KEY] for point in points if KEY in dict(point)}) > 1


def rates(
    runs: Sequence[Planned], results: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[tuple[str, float, float]]], str]:
    """Return (name of a curve -> [(beta, kl, reconstruction)] on test images, why there is none or "").

    The curve is named by the other swept keys. A sigma that follows the data differs at each beta, so the effects of beta
    and of sigma could not be separated.
    """
    moving = sorted({run.config.gaussian.sigma_mode for run in runs if run.config.likelihood == "gaussian"} - {"given"})
    if moving:
        return (
            {},
            f"gaussian.sigma_mode={','.join(moving)}: sigma differs along the curve, which needs a fixed one; choices: "
            "gaussian.sigma_mode=given",
        )
    if not all("test/kl" in values for values in results):
        return {}, "a model without a prior has no kl"
    kinds = {(values["pixels"], values["likelihood"], values.get("condition")) for values in results}
    curves: dict[str, list[tuple[str, float, float]]] = {}
    for run, values in zip(runs, results, strict=True):
        others = [f"{key}={value}" for key, value in run.point if key != KEY]
        kind = [f"{values['pixels']} pixels, {values['likelihood']}"] if len(kinds) > 1 else []
        kind += ["given the label"] if kind and "condition" in values else []
        point = dict(run.point)[KEY], values["test/kl"], values["test/reconstruction"]
        curves.setdefault(" ".join(others + kind), []).append(point)
    return curves, ""
