"""The rows of the study of tokenizers, and the protocol of each of its tables."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

Keys = Mapping[str, Any]

GRID = "latent_grid"
"""The row of Gaussian latents on the grid; its beta is chosen among `Table.betas`."""


class Table(NamedTuple):
    """A table of the study: tokenizers with as many codes on one grid, with the same networks but for the code's width."""

    title: str
    config: str
    keys: Keys
    """The keys of all rows."""
    rows: Mapping[str, Keys]
    places: int
    codes: int
    """The number of values of each place."""
    betas: tuple[float, ...]
    prior_epochs: int
    """Epochs of the learned priors."""
    notes: tuple[str, ...]

    @property
    def nats(self) -> float:
        """The cost of an image's codes under the uniform prior."""
        return self.places * math.log(self.codes)


def _rows(codes: int, levels: tuple[int, ...], of_lfq: Keys = {}) -> dict[str, Keys]:  # noqa: B006 - never changed
    """Return the rows of tables with so many codes, the product of `levels`, which are powers of two; `of_lfq` are its keys."""
    sizes = ",".join(map(str, levels))
    bits = codes.bit_length() - 1
    return {
        "vq": {"vq.codes": codes},
        f"fsq [{sizes}]": {"quantizer": "fsq", "fsq.levels": sizes},
        f"lfq, {bits} bits": {"quantizer": "lfq", "lfq.bits": bits, **of_lfq},
        f"residual, {len(levels)} x {levels[0]}": {
            "quantizer": "residual",
            "residual.levels": len(levels),
            "residual.codes": levels[0],
        },
        GRID: {"model": "vae", "latent_grid": 4},
    }


COLUMNS_NOTE = (
    "All numbers are of the test images, at the best epoch by validation elbo. mse, psnr and ssim: of the reconstruction with "
    "z = the posterior mean. perplexity: of the codes of all images, level by level for residual. rate: the KL to the first "
    "prior, uniform over codes or N(0, I), nats per image. saved: nats that the learned prior takes off the rate, over the same "
    "draws of z, with the standard error. The learned prior is a PixelCNN for codes and a RealNVP for Gaussians. Minutes: of the "
    "two runs, without those of other betas, on one core beside other work; of a run that was interrupted, of its longest part; "
    "empty if it was paused."
)
BETA_NOTE = (
    "latent_grid: a diagonal Gaussian of 4 channels at each place, with the beta of {betas} whose validation kl is "
    "the nearest to {nats:.1f} nats, the rate of the codes."
)

TABLES: dict[str, Table] = {
    "mnist": Table(
        title="Tokenizers of MNIST: 4 x 4 places of 64 codes, Bernoulli likelihood of grey pixels",
        config="configs/vq_vae.py",
        keys={"channels": "16,32,32", "num_epochs": 8},
        rows=_rows(64, (8, 8)),
        places=16,
        codes=64,
        betas=(0.25, 0.3, 0.35),
        prior_epochs=10,
        notes=("50,000 training images. Convolutions of 16, 32 and 32 channels; batches of 128.", COLUMNS_NOTE),
    ),
    "photos": Table(
        title="Tokenizers of photographs of 32 x 32 pixels: 8 x 8 places of 512 codes, discretised logistic likelihood",
        config="configs/vq_vae.py",
        keys={
            "dataset": "folder",
            "split": "0.8,0.1,0.1",
            "likelihood": "discretized_logistic",
            "channels": "32,64",
            "num_epochs": 20,
        },
        rows=_rows(512, (8, 8, 8), {"lfq.entropy": 1.0, "lfq.commitment": 0.5}),
        places=64,
        codes=512,
        betas=(1.25, 2.0, 3.0),
        prior_epochs=10,
        notes=(
            "10,000 photographs of 10 classes, 8,000 for training, 1,000 for validation and 1,000 for test. Convolutions of 32 "
            "and 64 channels; batches of 128. lfq.entropy=1 and lfq.commitment=0.5, of five pairs the best after 5 epochs: the "
            "defaults are too weak beside the nats of so many numbers, and used 122 codes.",
            COLUMNS_NOTE,
        ),
    ),
}
