"""The rows of the study of priors and posteriors, the protocol of each of its tables, and the notes below them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Keys = Mapping[str, Any]

MIXTURE: Keys = {"prior": "mixture", "mixture.components": 500}
VAMP: Keys = {"prior": "vamp", "vamp.components": 500}
REALNVP: Keys = {"prior": "flow", "flow.kind": "realnvp"}
SPLINE: Keys = {"prior": "flow", "flow.kind": "spline", "flow.layers": 4, "flow.hidden_dims": "64,64"}
WIDTH = 329
"""The width of the hidden layers for which the standard prior's model has as many parameters as that of the RealNVP prior."""


class Table(NamedTuple):
    """A table of the study: models that differ by one choice, on one protocol."""

    title: str
    config: str
    keys: Keys
    """The keys of all rows."""
    rows: Mapping[str, Keys]
    """Name -> the keys of a row; the gains are those over the first row."""
    seeds: int
    samples: int
    """S of the estimate of log p(x)."""
    images: int
    """The number of test images that it is estimated on; 0: all."""
    notes: tuple[str, ...]
    any_epochs: bool = False
    """True if rows are kept after any number of epochs, for a study of several days."""
    curves: bool = False
    """True if the figure shows the validation elbo of each epoch; else it shows nll against seconds."""


DYNAMIC = (
    "MNIST, the first 50,000 training images binarised again at every step, the last 10,000 for validation. Validation and test "
    "images are binarised once, by our seed. The checkpoint with the best validation elbo after the warm-up is measured."
)
COLUMNS_NOTE = (
    "nll: -log p(x) by importance sampling. aggregate KL: the KL from the aggregate posterior of the test images to the prior, "
    "between two estimates from the mixture of all posteriors, or of so many as the cell says; N images show log N nats at most. "
    "Gaussian: the elbo that a Gaussian with the mean and covariance of the codes would gain as the prior. gain: the mean "
    "difference of log p(x) from the first row over the same images and seeds. ±: standard errors over seeds where there are "
    "several, else over images."
)
FLOWS: dict[str, Keys] = {"flow RealNVP": REALNVP, "flow spline": SPLINE}
PRIORS: dict[str, Keys] = {"standard": {}, "mixture (500)": MIXTURE, "vamp (500)": VAMP, **FLOWS}
POSTERIORS: dict[str, Keys] = {name: {"posterior": name} for name in ("full", "planar", "sylvester", "iaf")}
WHOLE: Keys = {"kl_warmup_epochs": 100, "early_stopping": 50, "num_epochs": 2000, "checkpoint.every_epochs": 1}
RESNET: Keys = {"network": "resnet", "channels": "32,64", "num_epochs": 200}
TINY: Keys = {"components": 50}

TABLES: dict[str, Table] = {
    "short": Table(
        title="Priors and posteriors on one model: gated 784-300-300-40, dynamic MNIST, 100 epochs",
        config="configs/gated_vae.py",
        keys={},
        rows={
            "standard": {},
            f"standard, {WIDTH}-{WIDTH}": {"hidden_dims": f"{WIDTH},{WIDTH}"},
            **{name: keys for name, keys in PRIORS.items() if keys},
            **POSTERIORS,
        },
        seeds=3,
        samples=5000,
        images=0,
        notes=(DYNAMIC, "KL warm-up over 20 epochs; Adam 5e-4; batches of 100.", COLUMNS_NOTE),
    ),
    "whole": Table(
        title="The same model on the whole schedule: warm-up over 100 epochs, then until 50 epochs bring no better elbo",
        config="configs/gated_vae.py",
        keys=WHOLE,
        rows={"standard": {}, "vamp (500)": VAMP, "flow RealNVP": REALNVP},
        seeds=1,
        samples=5000,
        images=0,
        notes=(DYNAMIC, COLUMNS_NOTE),
        curves=True,
    ),
    "sphere": Table(
        title="A sphere in place of a plane: gated 784-300-300, 10 latent dimensions, dynamic MNIST, 100 epochs",
        config="configs/gated_vae.py",
        keys={"latent_dim": 10},
        rows={"normal": {}, "power spherical on S^10": {"posterior": "power_spherical"}},
        seeds=3,
        samples=5000,
        images=0,
        notes=(DYNAMIC, COLUMNS_NOTE, "S^10 is stored in 11 numbers; both models have 10 latent dimensions."),
    ),
    "conv": Table(
        title="A residual network with one latent layer of 40 dimensions, dynamic MNIST",
        config="configs/gated_vae.py",
        keys=RESNET,
        rows={"standard": {}, "flow RealNVP": REALNVP},
        seeds=1,
        samples=1000,
        images=1000,
        notes=(DYNAMIC, COLUMNS_NOTE),
        any_epochs=True,
        curves=True,
    ),
    "categorical": Table(
        title="Discrete latents beside Gaussian ones: gated 784-300-300, dynamic MNIST, 50 epochs",
        config="configs/gated_vae.py",
        keys={"num_epochs": 50},
        rows={"40 Gaussians": {}, "30 categories of 10": {"model": "categorical", "latent_dim": 30}},
        seeds=1,
        samples=5000,
        images=0,
        notes=(
            DYNAMIC,
            "KL warm-up over 20 epochs. The categorical model is trained on relaxed draws and measured on drawn classes.",
            COLUMNS_NOTE,
        ),
    ),
    "digits": Table(
        title="Every prior on the digits of a textbook: 8 x 8 pixels of 17 grey levels, 1,000/350/447 images",
        config="configs/levels.py",
        keys={},
        rows={
            **{name.replace("500", "50"): {k: 50 if k.endswith("components") else v for k, v in keys.items()}
               for name, keys in PRIORS.items()},
            "power spherical": {"posterior": "power_spherical"},
        },
        seeds=3,
        samples=5000,
        images=0,
        notes=(COLUMNS_NOTE,),
    ),
}  # fmt: skip
