"""A minimal PyTorch loop over a DataLoader of tensors or, with pillow, of images as torchvision's sets return them."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]
from torch.utils.data import DataLoader, Dataset, TensorDataset  # pyright: ignore[reportMissingImports]

from experiments.benchmarks.peers_code import common


def mlp(*sizes: int) -> Any:
    """Return linear layers with ReLU between them."""
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Images(Dataset):
    """A data set like torchvision.datasets.MNIST with ToTensor: each item is made from a PIL image when it is read."""

    def __init__(self, pixels: np.ndarray) -> None:
        side = round(pixels.shape[1] ** 0.5)
        self.images = torch.from_numpy((pixels * 255).round().astype(np.uint8).reshape(-1, side, side))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor]:
        from PIL import Image

        pixels = torch.from_numpy(np.array(Image.fromarray(self.images[index].numpy()), np.uint8, copy=True))
        return (pixels.contiguous().to(torch.float32).div(255).flatten(),)


def main() -> None:
    """Train, and write the answer."""
    task, train, test = common.read_task()
    torch.manual_seed(task.seed)
    pixels = train.shape[1]
    encoder = mlp(pixels, *task.hidden_dims, 2 * task.latent_dim)
    decoder = mlp(task.latent_dim, *task.hidden_dims[::-1], pixels)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], task.learning_rate)
    images = Images(train) if "pillow" in task.packages else TensorDataset(torch.from_numpy(train))
    loader = DataLoader(images, task.batch_size, shuffle=True)
    clock = common.Clock()
    for _ in range(task.epochs):
        clock.begin()
        for (x,) in loader:
            mean, logvar = encoder(x).chunk(2, dim=-1)
            logits = decoder(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean))
            reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum()
            loss = (reconstruction + kl) / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        clock.end()
    with torch.no_grad():
        common.answer(
            task,
            clock.seconds,
            test,
            lambda x: encoder(torch.from_numpy(x)).chunk(2, dim=-1),
            lambda z: decoder(torch.from_numpy(z)),
        )


if __name__ == "__main__":
    main()
