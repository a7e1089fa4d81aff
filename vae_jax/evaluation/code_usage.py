"""The use of discrete codes over a whole split: a histogram of all codes of all its images."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int


class Usage(NamedTuple):
    """The number of times that each of K codes is used."""

    counts: Int[np.ndarray, "*P K"]
    """Over all images of a split and all places of an image."""

    @property
    def used(self) -> int:
        """The number of codes that are used at all."""
        return int((self.counts > 0).sum())

    @property
    def perplexity(self) -> float:
        """The exponential of the histogram's entropy: the number of codes that, used equally often, have as much of it."""
        shares = self.counts[self.counts > 0] / self.counts.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics `codes_used` and `code_perplexity`."""
        return {"codes_used": self.used, "code_perplexity": self.perplexity}


def count_codes(codes: Int[np.ndarray, "*P B T"], num_codes: int) -> Usage:
    """Return how often each code from 0 to `num_codes` - 1 is used, for each of P runs if there is an axis of runs."""
    runs = codes.shape[:-2]
    rows = codes.reshape(-1, codes.shape[-2] * codes.shape[-1])
    counts = np.stack([np.bincount(row, minlength=num_codes) for row in rows])
    return Usage(counts.reshape(*runs, num_codes))


def facts(usage: Usage, nats: float, num_images: int) -> dict[str, Any]:
    """Return the numbers for results.json; `nats`: the cost of an image's codes."""
    counts = usage.counts.tolist()
    return {"codes": {"per_image": sum(counts) // num_images, "size": len(counts), "nats": nats, "counts": counts}}
