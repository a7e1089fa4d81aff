"""The labels that a conditional model needs."""

import numpy as np

from vae_jax.errors import InputError
from vae_jax.types import Config, Dataset

MOST_NAMED = 20
"""The most classes that an error names."""


def assert_labelled(dataset: Dataset, config: Config) -> None:
    """Raise InputError unless every image has a label that is the number of a class, and every class has a training image."""
    at, names = f"condition={config.condition}", dataset.class_names
    advice = "choices: condition=none, or other data"
    if not names:
        whose = (
            f"codes of data_dir={config.data_dir}"
            if config.dataset == "codes"
            else f"images of dataset={config.dataset}"
        )
        raise InputError(f"{at}: the {whose} have no labels; {advice}")
    for name in ("train", "val", "test"):
        labels = getattr(dataset, name).labels
        unknown = int((labels < 0).sum())
        if unknown:
            raise InputError(f"{at}: {unknown:,} of {len(labels):,} {name} images have no label; {advice}")
        if len(labels) and labels.max() >= len(names):
            raise InputError(
                f"{at}: a {name} image has the label {labels.max()}, and there are {len(names)} classes; {advice}"
            )
    absent = np.setdiff1d(np.arange(len(names)), dataset.train.labels)
    if len(absent):
        raise InputError(f"{at}: no training image is of class {listed([names[k] for k in absent])}; {advice}")


def listed(names: list[str]) -> str:
    """Return the names as text, of more than MOST_NAMED only the first."""
    return ", ".join(names[:MOST_NAMED]) + ", ..." * (len(names) > MOST_NAMED)
