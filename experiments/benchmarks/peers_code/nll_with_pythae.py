"""pythae's own `VAE.get_nll`, on images and with parameters that it is given."""

import json
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from experiments.benchmarks.peers_code.with_pythae import make_vae


class Task(NamedTuple):
    """What is asked, from the JSON text of the command line."""

    images: str
    """An .npz of `images` f32[N, pixels] in [0, 1], and `encoder_kernel_0`, `encoder_bias_0`, ..., `decoder_bias_1`, ..."""
    answer: str
    """The JSON file to write."""
    packages: Sequence[str]
    hidden_dims: Sequence[int]
    latent_dim: int
    samples: int
    batch_sizes: Sequence[int]
    """Samples that get_nll decodes at once: it is timed with each of these."""
    seed: int


def main() -> None:
    """Seconds an image, and the mean log-likelihood, for each batch size."""
    task = Task(**json.loads(sys.argv[1]))
    with np.load(task.images, allow_pickle=False) as arrays:
        given = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    images = given["images"]
    vae = make_vae(images.shape[1], task.hidden_dims, task.latent_dim).eval()
    torch.manual_seed(task.seed)
    found = []
    with torch.no_grad():
        for side, network in (("encoder", vae.encoder), ("decoder", vae.decoder)):
            linears = [layer for layer in network.layers if isinstance(layer, torch.nn.Linear)]
            for i, linear in enumerate(linears):
                linear.weight.copy_(given[f"{side}_kernel_{i}"].T)
                linear.bias.copy_(given[f"{side}_bias_{i}"])
        for batch_size in task.batch_sizes:
            vae.get_nll(images[:2], task.samples, batch_size)
            started = time.perf_counter()
            log_likelihood = float(vae.get_nll(images, task.samples, batch_size))
            seconds = (time.perf_counter() - started) / len(images)
            found.append({"seconds": seconds, "log_likelihood": log_likelihood})
    versions = {name: version(name) for name in task.packages}
    Path(task.answer).write_text(json.dumps({"found": found, "versions": versions}), encoding="utf-8")


if __name__ == "__main__":
    main()
