"""Figures from arrays: each gets those that its parameters name, if the run has them all."""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from vae_jax.latents.arrays import ARRAYS, NEEDS
from vae_jax.latents.source import Source


def attempt(source: Source, figures: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, Any, str]]:
    """(name, drawn figure or None, what it would need) of each figure in turn.

    A figure's parameters are names of ARRAYS; it fits when all those without a default exist for this source.

    Raises:
        InputError: the source's request names a class or an image that is not there.
    """

    @cache
    def array(name: str) -> Any:
        return ARRAYS[name](source, array)

    for name, figure in figures.items():
        arguments = {}
        for parameter, declared in inspect.signature(figure).parameters.items():
            arguments[parameter] = array(parameter)
            if arguments[parameter] is None and declared.default is inspect.Parameter.empty:
                yield name, None, NEEDS.get(parameter, "a model with a prior, as vae")
                break
        else:
            yield name, figure(**arguments), ""


def draw(source: Source, figures: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    """The figures that fit: those whose parameters, names of ARRAYS, all exist for this source."""
    return {name: drawn for name, drawn, needs in attempt(source, figures) if not needs}
