"""pythae's own `VAE.get_nll`, on given images with given parameters."""

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
    """The task, from the JSON text of the command line."""

    images: str
    """An .npz with `images` f32[N, pixels] in [0, 1], and `encoder_kernel_0`, `encoder_bias_0`, ..., `decoder_bias_1`, ..."""
    answer: str
    """The JSON file to write."""
    packages: Sequence[str]
    hidden_dims: Sequence[int]
    latent_dim: int
    samples: int
    batch_sizes: Sequence[int]
    """The numbers of samples that get_nll decodes at once; each one is timed."""
    seed: int


def main() -> None:
    """Write the seconds per image and the mean log-likelihood for each batch size."""
    task = Task(**json.loads(sys.argv[1]))
    with np.load(task.images, allow_pickle=False) as arrays:
        arrays_of = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    images = arrays_of["images"]
    vae = make_vae(images.shape[1], task.hidden_dims, task.latent_dim).eval()
    torch.manual_seed(task.seed)
    results = []
    with torch.no_grad():
        for side, network in (("encoder", vae.encoder), ("decoder", vae.decoder)):
            linears = [layer for layer in network.layers if isinstance(layer, torch.nn.Linear)]
            for i, linear in enumerate(linears):
                linear.weight.copy_(arrays_of[f"{side}_kernel_{i}"].T)
                linear.bias.copy_(arrays_of[f"{side}_bias_{i}"])
        for batch_size in task.batch_sizes:
            vae.get_nll(images[:2], task.samples, batch_size)
            started = time.perf_counter()
            log_likelihood = float(vae.get_nll(images, task.samples, batch_size))
            seconds = (time.perf_counter() - started) / len(images)
            results.append({"seconds": seconds, "log_likelihood": log_likelihood})
    versions = {name: version(name) for name in task.packages}
    Path(task.answer).write_text(json.dumps({"results": results, "versions": versions}), encoding="utf-8")


if __name__ == "__main__":
    main()
