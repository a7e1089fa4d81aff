"""The use of discrete codes over a whole split: a histogram of all codes of all its images."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from vae_jax.models import places_and_levels
from vae_jax.types import Model


class Usage(NamedTuple):
    """The number of times that each of K codes is used, by level."""

    counts: Int[np.ndarray, "*P R K"]
    """Over all images of a split and all places of an image. R is 1 unless a place has several codes."""

    @property
    def used(self) -> int:
        """The number of codes that are used at all."""
        return int((self.counts > 0).sum())

    @property
    def perplexity(self) -> float:
        """The exponential of the histogram's entropy: the number of codes that, used equally often, have as much of it.

        With R levels it is the geometric mean of theirs, so that T log(perplexity) is the cost of an image's T codes, in nats,
        under the best law of each level by itself.
        """
        entropies = []
        for counts in self.counts:
            shares = counts[counts > 0] / counts.sum()
            entropies.append(-(shares * np.log(shares)).sum())
        return float(np.exp(np.mean(entropies)))

    @property
    def dead(self) -> bool:
        """True if fewer than half as many codes are used as would be, on average, if all were equally probable."""
        levels, size = self.counts.shape[-2:]
        drawn = self.counts.sum() / levels
        return bool(self.used < 0.5 * levels * size * (1 - (1 - 1 / size) ** drawn))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics `codes_used` and `code_perplexity`."""
        return {"codes_used": self.used, "code_perplexity": self.perplexity}


def count_codes(codes: Int[np.ndarray, "*P B T"], num_codes: int, levels: int = 1) -> Usage:
    """Return how often each code from 0 to `num_codes` - 1 is used, for each of P runs if there is an axis of runs.

    With `levels` R > 1 each place has R codes, one after another, and those of each level are counted apart.
    """
    runs = codes.shape[:-2]
    by_level = np.moveaxis(codes.reshape(*runs, -1, levels), -1, -2)
    counts = np.stack([np.bincount(row, minlength=num_codes) for row in by_level.reshape(-1, by_level.shape[-1])])
    return Usage(counts.reshape(*runs, levels, num_codes))


def usage_of(model: Model, codes: Int[np.ndarray, "*P B T"] | None) -> Usage | None:
    """Return how often each code of a model is used by level; None without codes."""
    return None if codes is None else count_codes(codes, model.num_codes, places_and_levels(model)[1])


def facts(usage: Usage, nats: float, num_images: int) -> dict[str, Any]:
    """Return the numbers for results.json, the counts level by level; `nats`: the cost of an image's codes."""
    (levels, size), counts = usage.counts.shape, usage.counts.ravel().tolist()
    about = {"per_image": sum(counts) // num_images, "size": size, "levels": levels, "nats": nats}
    return {"codes": about | {"counts": counts}}
