"""Conditional models p(x|y): a model whose functions get the labels of their rows with the parameters."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Int32

from vae_jax.types import Model

LABEL = "label"
"""The name under which a conditional model's functions find the labels i32[R] of their rows in params."""

WITHOUT_PARAMS = ("init", "given", "refit", "kl_names")
"""The functions of a model, a prior or a rate that do not take params first."""

Labels = Int32[Array, " R"]


def given(model: Model, labels: Any) -> Model:
    """Return the model of rows with these labels i32[R]; one that is not conditional is returned as it is, and needs none."""
    if model.given is None:
        return model
    assert labels is not None, "a conditional model needs the labels of its images"
    return model.given(labels)


def make_conditional(model: Model) -> Model:
    """Make the `given` of a model whose encoder or decoder reads params["label"].

    All functions of the model, of its prior and of its rate that take params get the labels with them. The result of `given`
    can itself be given other labels, such as those of repeated rows.
    """

    def give(labels: Labels) -> Model:
        def with_labels(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda params, *rest: function(params | {LABEL: labels}, *rest)

        def wrapped(part: Any) -> Any:
            own = {name: getattr(part, name) for name in type(part)._fields if name not in WITHOUT_PARAMS}
            return part._replace(**{name: with_labels(own[name]) for name in own if callable(own[name])})

        parts = {name: part and wrapped(part) for name, part in (("prior", model.prior), ("rate", model.rate))}
        return wrapped(model)._replace(**parts, given=give)

    return model._replace(given=give)


def one_hot(labels: Labels, num_classes: int, rows: Any) -> Array:
    """Return a 1 at each label and 0 elsewhere, f32[R, Y], of the labels of exactly `rows` rows."""
    assert labels.shape == (rows,), f"{labels.shape} labels for {rows} rows"
    return jax.nn.one_hot(labels, num_classes)
