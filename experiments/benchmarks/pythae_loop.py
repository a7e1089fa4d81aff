"""pythae's VQ-VAE with the layers of ours, trained by pythae's own trainer; this module needs pythae."""

import contextlib
import logging
import math
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]
from pythae.models import VQVAE, VQVAEConfig  # pyright: ignore[reportMissingImports]
from pythae.models.base.base_utils import ModelOutput  # pyright: ignore[reportMissingImports]
from pythae.models.nn import BaseDecoder, BaseEncoder  # pyright: ignore[reportMissingImports]
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

from vae_jax.models.networks.stages import Stages, stages_of
from vae_jax.types import Config


class Encoder(BaseEncoder):
    """3x3 convolutions with ReLU, and a linear layer at each place."""

    def __init__(self, channels: tuple[int, ...], stages: Stages, latent_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for (before, after), strides in zip(pairwise((1, *channels)), stages.strides, strict=True):
            layers += [nn.Conv2d(before, after, 3, strides, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], latent_dim, 1))

    def forward(self, x):
        """Return the vectors [B, D, h, w] under the name that pythae reads."""
        return ModelOutput(embedding=self.layers(x))


class Decoder(BaseDecoder):
    """The mirrored encoder with transposed convolutions; the last one has stride 1 and a bias for every pixel."""

    def __init__(self, channels: tuple[int, ...], stages: Stages, latent_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(latent_dim, channels[-1], 1), nn.ReLU()]
        for i in reversed(range(len(channels))):
            (large, small), strides = stages.sizes[i : i + 2], stages.strides[i]
            more = [
                after - (before - 1) * stride - 1 for after, before, stride in zip(large, small, strides, strict=True)
            ]
            layers += [nn.ConvTranspose2d(channels[i], channels[max(i - 1, 0)], 3, strides, 1, more), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[0], 1, 3, 1, 1, bias=False))
        self.bias = nn.Parameter(torch.zeros(1, *stages.sizes[0]))

    def forward(self, z):
        """Return the pixels [B, 1, H, W] under the name that pythae reads."""
        return ModelOutput(reconstruction=self.layers(z) + self.bias)


def make_trainer(config: Config, images: np.ndarray, folder: Path) -> BaseTrainer:
    """Make pythae's trainer of the VQ-VAE of a config, with a codebook set by moving averages.

    Args:
        config: a config of `quantizer=vq`, `network=conv`; sizes, batch size, learning rate and `vq` are read.
        images: square grey images u8[N, H, W, 1], kept as float32 in memory.
        folder: a folder for the trainer's files.
    """
    logging.getLogger("pythae").setLevel(logging.WARNING)
    torch.manual_seed(config.seed)
    size = (images.shape[1], images.shape[2])
    own = VQVAEConfig(
        input_dim=(1, *size),
        latent_dim=config.latent_dim,
        num_embeddings=config.vq.codes,
        commitment_loss_factor=config.vq.commitment,
        use_ema=True,
        decay=config.vq.decay,
    )
    shape = config.channels, stages_of(config, size), config.latent_dim
    data = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
    trainer = BaseTrainer(
        VQVAE(own, Encoder(*shape), Decoder(*shape)),
        BaseDataset(data, torch.zeros(len(data))),
        training_config=BaseTrainerConfig(
            output_dir=str(folder),
            learning_rate=config.learning_rate,
            per_device_train_batch_size=config.batch_size,
            optimizer_cls="Adam",
            seed=config.seed,
            no_cuda=True,
        ),
    )
    trainer.prepare_training()
    return trainer


def num_parameters(trainer: BaseTrainer) -> int:
    """Return the number of parameters of a trainer's model, its codebook and the averages that set it included."""
    leaves = [*trainer.model.parameters(), *trainer.model.buffers()]
    return sum(math.prod(leaf.shape) for leaf in leaves)


def make_epoch(trainer: BaseTrainer) -> Callable[[], float]:
    """Return a function that trains an epoch, from the loader's first batch to the last, and returns its mean loss.

    The trainer's progress bar is written to nowhere, as our console is in a benchmark.
    """

    def epoch() -> float:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
            return float(trainer.train_step(1))

    return epoch
