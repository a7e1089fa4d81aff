"""The ways to colour the points of the page: by class, error, density under the prior, component of the prior."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from vae_jax.artifacts.report.embedded_model import packed
from vae_jax.artifacts.report.page import hexadecimal
from vae_jax.models import given, prepared
from vae_jax.models.distributions import LOG_TWO_PI
from vae_jax.runs.run import Run

ENDS = (0.02, 0.98)
"""The quantiles of the values at the two ends of the colours, so that a few outliers do not take all of them."""
MOST_NAMED = 20
"""The most components of a mixture that have a colour of their own."""
OTHERS = "#999999"


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
    if density is not None:
        found.append(_values("density under the prior", "nats", density))
    if component is not None:
        found.append(_groups("mixture component", component))
    return found


def under_prior(
    run: Run, codes: Float[np.ndarray, "N Z"], labels: Any
) -> tuple[Float[np.ndarray, " N"] | None, Int[np.ndarray, " N"] | None]:
    """Return log p(z) of each code in nats, and its component of the prior; None for what the prior does not have.

    Both are None if codes are only a part of z, as in a model with two layers.
    """
    prior, place = run.model.prior, run.model.place
    if run.standard_prior:  # nothing to compile
        return -0.5 * (np.square(codes) + LOG_TWO_PI).sum(axis=1), None
    if prior is None or prior.log_prob is None or place is None:
        return None, None
    if not isinstance(jax.eval_shape(place, run.params, codes), jax.ShapeDtypeStruct):
        return None, None

    @jax.jit
    def compute(params: Any, z: Any, labels: Any) -> tuple[Any, Any]:
        own = given(run.model, labels).prior
        assert own is not None
        assert own.log_prob is not None
        return own.log_prob(params, z), None if own.component is None else own.component(params, z)

    return jax.device_get(compute(prepared(run.model, run.params), codes, labels))


def _values(name: str, unit: str, values: Float[np.ndarray, " N"]) -> dict[str, Any]:
    """Return a colouring by values; `low` and `high` are finite even if some values are not."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = np.quantile(finite, ENDS).tolist() if finite.size else (0.0, 0.0)
    return {"name": name, "kind": "value", "unit": unit, "values": packed(values), "low": low, "high": high}


def _groups(name: str, components: Int[np.ndarray, " N"]) -> dict[str, Any]:
    """Return a colouring by components: the largest ones have names, all further ones are one group."""
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    numbers, counts = np.unique(components, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    named = numbers[order[:MOST_NAMED]]
    places = {number: place for place, number in enumerate(named.tolist())}
    groups = [places.get(number, len(named)) for number in components.tolist()]
    names = [f"component {number + 1}" for number in named.tolist()]
    palette = figures.class_colours(MOST_NAMED // 2)
    # A ramp would give neighbours in size, which are unrelated, almost the same colour.
    colours = [hexadecimal(colour) for colour in [*palette, *(0.5 + 0.5 * palette)][: len(named)]]
    if len(numbers) > len(named):
        names, colours = [*names, "other components"], [*colours, OTHERS]
    return {"name": name, "kind": "group", "groups": groups, "names": names, "colours": colours}
