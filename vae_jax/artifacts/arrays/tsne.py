"""t-SNE (van der Maaten and Hinton 2008) by scikit-learn, with a report of its progress."""

import contextlib
import io
import re
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

PERPLEXITY = 30.0
ITERATIONS = 1000

Progress = Callable[[str], None]


def embed(latents: Float[np.ndarray, "N Z"], seed: int, progress: Progress) -> Float[np.ndarray, "N 2"]:
    """Return two coordinates in which near latents stay near; distances and sizes of groups mean nothing.

    Args:
        latents: at least 2 rows.
        seed: the seed of scikit-learn's generator.
        progress: called with a line of text every 50 of the 1000 iterations.
    """
    # Here, not above: scikit-learn is a large part of the start-up time.
    from sklearn.manifold import TSNE

    progress(f"t-SNE of {len(latents):,} images")
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(latents) - 1) / 3),
        max_iter=ITERATIONS,
        init="pca" if min(latents.shape) > 1 else "random",
        random_state=seed,
        verbose=2,
    )
    # verbose is the only way to follow its progress.
    with contextlib.redirect_stdout(_Iterations(progress)):
        return tsne.fit_transform(latents.astype(np.float32)).astype(np.float32)


class _Iterations(io.TextIOBase):
    """A stream that passes on only the number of iterations done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str, /) -> int:
        found = re.search(r"Iteration (\d+): error = ([\d.]+)", text)
        if found:
            self._progress(f"t-SNE: iteration {found[1]:>4} of {ITERATIONS}, divergence {float(found[2]):.3f}")
        return len(text)
