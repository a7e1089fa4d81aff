"""The ways to colour the points of the page: by class, error, density under the prior, component of the prior."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vae_jax.artifacts.report.embedded_model import packed
from vae_jax.artifacts.report.page import hexadecimal
from vae_jax.runs.run import Run
from vae_jax.runs.under_prior import under_prior

ENDS = (0.02, 0.98)
"""The quantiles of the values at the two ends of the colours, so that a few outliers do not take all of them."""


def colourings(
    run: Run, codes: Float[np.ndarray, "N Z"], labels: Any, errors: Float[np.ndarray, " N"], with_classes: bool
) -> list[dict[str, Any]]:
    """Return the ways to colour the points; the first is the page's own choice.

    Args:
        run: the trained model.
        codes: the points.
        labels: the classes that a conditional model is given, else None.
        errors: the squared error per pixel of each point's reconstruction.
        with_classes: True if the points have classes.
    """
    found: list[dict[str, Any]] = [{"name": "class", "kind": "class"}] if with_classes else []
    found.append(_values("reconstruction error", "squared error per pixel", errors))
    density, component = under_prior(run, codes, labels)
    if density is not None and np.ptp(density) != 0:  # it is uniform on a sphere
        found.append(_values("density under the prior", "nats", density))
    if component is not None:
        found.append(_groups("mixture component", component))
    return found


def _values(name: str, unit: str, values: Float[np.ndarray, " N"]) -> dict[str, Any]:
    """Return a colouring by values; `low` and `high` are finite even if some values are not."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = np.quantile(finite, ENDS).tolist() if finite.size else (0.0, 0.0)
    return {"name": name, "kind": "value", "unit": unit, "values": packed(values), "low": low, "high": high}


def _groups(name: str, components: Int[np.ndarray, " N"]) -> dict[str, Any]:
    """Return a colouring by components: the largest ones have names, all further ones are one group."""
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    groups, named, colours = figures.component_groups(components)
    names = [f"component {number + 1}" for number in named.tolist()] + ["other components"] * (
        len(colours) > len(named)
    )
    coloured = [hexadecimal(colour) for colour in colours]
    return {"name": name, "kind": "group", "groups": groups.tolist(), "names": names, "colours": coloured}
