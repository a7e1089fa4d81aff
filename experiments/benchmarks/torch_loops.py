"""The same networks, losses and optimisers as small eager PyTorch loops, for comparison; this module needs torch."""

import itertools
from collections.abc import Callable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from vae_jax.models.networks.conv import GROUP_SIZE
from vae_jax.types import Config

Epoch = Callable[[np.ndarray], float]
"""(order i32[T, B]) -> the loss of the last step."""


class MLP(nn.Module):
    """Dense layers with ReLU and dropout between them."""

    def __init__(self, widths: list[int], dropout: float) -> None:
        super().__init__()
        layers = []
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Linear(before, after))
            if i < len(widths) - 2:
                layers += [nn.ReLU(), nn.Dropout(dropout)] if dropout else [nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, D] -> [B, F]."""
        return self.layers(x)


class ConvEncoder(nn.Module):
    """3x3 convolutions of stride 2 with group normalisation."""

    def __init__(self, channels: tuple[int, ...], size: int, num_outputs: int) -> None:
        super().__init__()
        layers, before = [], 1
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), _norm(width), nn.LeakyReLU()]
            before = width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size * size * before, num_outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, 1, H, W] -> [B, F]."""
        return self.layers(x)


class ConvDecoder(nn.Module):
    """The mirrored encoder with transposed convolutions, and a convolution of stride 1 at the end."""

    def __init__(self, channels: tuple[int, ...], sizes: list[int], latent_dim: int) -> None:
        super().__init__()
        self.start = nn.Linear(latent_dim, channels[-1] * sizes[-1] ** 2)
        self.shape = (channels[-1], sizes[-1], sizes[-1])
        layers: list[nn.Module] = [_norm(channels[-1]), nn.LeakyReLU()]
        for i in reversed(range(len(channels))):
            after = channels[max(i - 1, 0)]
            more = sizes[i] - (2 * sizes[i + 1] - 1)
            layers += [nn.ConvTranspose2d(channels[i], after, 3, 2, 1, more, bias=False), _norm(after), nn.LeakyReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[0], 1, 3, 1, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """[B, Z] -> [B, 1, H, W]."""
        return self.layers(self.start(z).view(-1, *self.shape))


def _norm(width: int) -> nn.Module:
    return nn.GroupNorm(width // GROUP_SIZE if width % GROUP_SIZE == 0 else 1, width)


def make_epoch(config: Config, images: np.ndarray) -> Epoch:
    """Make a function (order) -> loss that trains an epoch in an eager loop.

    Args:
        config: the config of `vae`, `conv_vae` or `ae`; model, network, sizes, likelihood and learning rate are read.
        images: square grey images u8[N, H, W, 1], kept as float32 in memory.
    """
    torch.manual_seed(0)
    data = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
    factor = 2 if config.model == "vae" else 1
    if config.network == "conv":
        sizes = [images.shape[1]]
        for _ in config.channels:
            sizes.append(-(-sizes[-1] // 2))
        encoder: nn.Module = ConvEncoder(config.channels, sizes[-1], factor * config.latent_dim)
        decoder: nn.Module = ConvDecoder(config.channels, sizes, config.latent_dim)
    else:
        data = data.flatten(1)
        widths = [data.shape[1], *config.hidden_dims]
        encoder = MLP([*widths, factor * config.latent_dim], config.dropout)
        decoder = MLP([config.latent_dim, *widths[::-1]], config.dropout)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=config.learning_rate)

    def epoch(order: np.ndarray) -> float:
        loss = torch.zeros(())
        for rows in torch.from_numpy(order).long():
            x = data[rows]
            loss = _loss(config, encoder, decoder, x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return epoch


def _loss(config: Config, encoder: nn.Module, decoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the loss in nats per image, without the constant of the gaussian."""
    if config.model == "ae":
        return 0.5 / config.gaussian.sigma**2 * functional.mse_loss(decoder(encoder(x)), x, reduction="sum") / len(x)
    mean, logvar = encoder(x).chunk(2, dim=1)
    outputs = decoder(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean))
    if config.likelihood == "bernoulli":
        reconstruction = functional.binary_cross_entropy_with_logits(outputs, x, reduction="sum")
    else:
        reconstruction = 0.5 / config.gaussian.sigma**2 * functional.mse_loss(outputs, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
    return (reconstruction + kl) / len(x)
