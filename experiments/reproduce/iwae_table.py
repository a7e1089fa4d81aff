"""The rows of Table 1 of Burda et al. (2016), the texts around them, and the tables that are kept in results/."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments.benchmarks import record


class Row(NamedTuple):
    """A cell of Table 1."""

    layers: int
    elbo_weight: int
    """The weight of the ELBO: 0 for an IWAE, 1 for a VAE with k samples."""
    num_samples: int
    published: float
    """The published negative log-likelihood, nats."""


ROWS = {
    "1L-k1": Row(1, 0, 1, 86.76),
    "1L-vae-k5": Row(1, 1, 5, 86.47),
    "1L-vae-k50": Row(1, 1, 50, 86.35),
    "1L-iwae-k5": Row(1, 0, 5, 85.54),
    "1L-iwae-k50": Row(1, 0, 50, 84.78),
    "2L-k1": Row(2, 0, 1, 85.33),
    "2L-vae-k5": Row(2, 1, 5, 85.01),
    "2L-vae-k50": Row(2, 1, 50, 84.78),
    "2L-iwae-k5": Row(2, 0, 5, 83.89),
    "2L-iwae-k50": Row(2, 0, 50, 82.90),
}
"""The rows by name. With one sample (k1) IWAE and VAE are the same."""
GAINS = {
    f"{layers}L-{more} over {layers}L-{fewer}": (f"{layers}L-{fewer}", f"{layers}L-{more}")
    for layers in (1, 2)
    for kind in ("iwae", "vae")
    for fewer, more in (("k1", f"{kind}-k5"), (f"{kind}-k5", f"{kind}-k50"))
}
"""Comparisons by name: the rows with fewer and with more samples in training."""
ORDER = {name: place for place, name in enumerate([*ROWS, *GAINS])}
"""The place of each row in its table."""
SAMPLES = 5000
"""The number of samples per image of the kept tables. Any other number is a trial."""
COLUMNS = (
    "row",
    "schedule",
    "batch",
    "seed",
    "published",
    "here",
    "error over images",
    "Monte Carlo error",
    "images not to be trusted",
)
TITLE = "Table 1 of Burda et al. (2016): negative log-likelihood of MNIST, nats"
NOTES = (
    "Estimates use 5,000 samples per image and the latest parameters, never the best. Schedule full has 3,280 epochs. Schedule "
    "short has the first 121 of them (stages 0 to 4); no results are published for it.",
    "Differences from the paper: the 400 held-out training images are drawn by seed and are not the last ones; the test images "
    "are binarised by our seed; batches of 100 take a fifth of the steps of their batches of 20, with the same learning rates, "
    "number of epochs and Adam epsilon for gradients of means.",
    "Differences from their code (github.com/yburda/iwae): Adam's first moment decays by 0.9, as in the paper, not by 0.99; its "
    "second moments start at 0, not at 1; images are shuffled every epoch; networks output the logarithm of variances, not of "
    "standard deviations; learning rates are not rounded to 7.2e-4, 5.2e-4, ...",
    "Error over images: the standard error of the mean over the 10,000 test images. An image is not to be trusted if it has "
    "fewer than 200 effective samples or a tail with a Pareto k above 0.7.",
)
PAIR_TITLE = "Gain from more samples in training"
PAIR_COLUMNS = ("rows", "schedule", "batch", "seed", "gain, nats per image")
PAIR_NOTES = ("The mean difference of log p(x) over the same test images, and its standard error.",)


def keep(
    name: str, title: str, columns: Sequence[str], rows: list[list[Any]], notes: Sequence[str], samples: int = SAMPLES
) -> None:
    """Add rows to the stored table `name`; a row replaces an older one whose first four cells are equal.

    If `samples` is not SAMPLES, the rows are printed and not stored.
    """
    if samples != SAMPLES:
        record.save(name, "", f"{title}; {samples:,} samples per image", columns, rows, (), keep=False)
        return
    path = record.ROOT / "reproduce" / "results" / f"{name}.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    merged = {tuple(row[:4]): row for row in [*old, *rows]}
    command = "python -m experiments.reproduce.iwae --row=ROW --schedule=SCHEDULE --batch_size=BATCH --seed=SEED"
    ordered = sorted(merged.values(), key=lambda row: (*row[1:4], ORDER.get(row[0], 0)))
    record.save(name, command, title, columns, ordered, notes, folder="reproduce")
