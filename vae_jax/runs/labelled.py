"""Facts about a run's model, and the classes that a conditional run takes: checked, and looked up by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Int32

from vae_jax.errors import InputError, shown
from vae_jax.runs.checkpoint.ownership import assert_same_classes
from vae_jax.runs.pieces import as_labels
from vae_jax.runs.shown import as_html
from vae_jax.types import Config, Corrupt, Dataset, Model, Spec


class Labelled:
    """The part of a `Run` that knows its classes, and its kind of input, prior and pixels."""

    config: Config
    model: Model
    spec: Spec
    step: int
    workdir: Path | None
    joined: Any = None
    """The two parts of a pair, see `pair.Joined`; None for any other run."""
    loaded_by: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
    """(function, arguments), the call that loads the run again; None: `load_run` with its workdir and step."""
    _corrupt: Corrupt | None

    def __repr__(self) -> str:
        """Return a line that says which run it is; size is that of z as the config has it."""
        of = f"{self.config.model} on {self.config.dataset}, latent_dim={self.config.latent_dim}"
        return f"<Run: {of}, step {self.step:,}, {self.workdir or 'without a workdir'}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the run: its numbers, and the pictures that its directory already has."""
        return as_html(self.config, self.step, self.workdir)

    @property
    def corrupts(self) -> bool:
        """True if the run is a denoiser, which encodes corrupted images."""
        return self._corrupt is not None

    @property
    def standard_prior(self) -> bool:
        """True if there is a prior, and it is N(0, I)."""
        return self.model.prior is not None and self.model.prior.is_standard

    @property
    def draws_pixels(self) -> bool:
        """True if pixels have no means, so that `decode`, `reconstruct` and `sample` of the run return draws."""
        return self.model.pixel_mean is None

    def labels_of(self, dataset: Dataset, split: str) -> Int32[np.ndarray, " N"] | None:
        """Return the labels of a split if the run is conditional, else None; InputError if it was trained with other classes."""
        if self.model.given is None:
            return None
        assert_same_classes(self.config, self.spec, dataset.class_names)
        return getattr(dataset, split).labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that a conditional run takes; empty for another run."""
        numbers = map(str, range(self.spec.num_classes))
        return () if self.model.given is None else self.spec.class_names or tuple(numbers)

    def with_labels(self, rows: Any, labels: Any, name: str = "labels") -> tuple[Any, np.ndarray | None]:
        """Return rows and their labels, checked; None for a run that is not conditional."""
        return rows, as_labels(labels, len(jax.tree.leaves(rows)[0]), self.class_names, name)


def assert_run(run: object) -> None:
    """Raise InputError unless it is a Run, which a folder is only after it is loaded."""
    if not isinstance(run, Labelled):
        raise InputError(
            f"run={shown(run)}: a {type(run).__name__} and not a Run; choices: vae_jax.load_run(FOLDER), or "
            "vae_jax.from_pretrained of a shared model"
        )
