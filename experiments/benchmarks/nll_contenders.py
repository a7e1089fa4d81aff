"""The contenders of our log-likelihood in nll.py: pythae's, with our parameters, and the bare matrix products."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmarks.peers_code import contestants
from experiments.benchmarks.peers_code.contestants import PEERS
from experiments.benchmarks.peers_code.processes import Failed
from vae_jax.types import Params

PEER = "pythae"
PEER_BATCH = 100


class Round(NamedTuple):
    """The measurements of a contender in a round."""

    images: int
    seconds: float
    """The seconds per image."""
    nll: float = math.nan
    """The mean over the images that all contenders evaluate, nats per image."""


class Results(NamedTuple):
    """The measurements of all rounds."""

    rounds: dict[str, list[Round]]
    failure: str
    """The reason why pythae has no numbers, or empty."""
    versions: str


def ask_peer(results: Results, params: Params, images: np.ndarray, flags: Any, seed: int, scratch: Path) -> Results:
    """Return `results` with a round of pythae added, on images f32[N, H, W, 1]."""
    sizes = peer_batches(flags.samples)
    arrays: dict[str, Any] = {"images": images.reshape(len(images), -1), **arrays_of(params)}
    np.savez(scratch / "images.npz", **arrays)
    task = {"images": str(scratch / "images.npz"), "answer": str(scratch / "answer.json"), "batch_sizes": sizes}
    task |= {"packages": PEERS[PEER].packages, "hidden_dims": (400,), "latent_dim": 20}
    task |= {"samples": flags.samples, "seed": seed}
    try:
        python = contestants.make_environment(PEER, flags.envs)
        answer = contestants.ask(PEER, "nll_with_pythae", python, task, flags.timeout)
    except (Failed, OSError) as failure:
        return results._replace(failure=str(failure))
    for size, result in zip(sizes, answer["results"], strict=True):
        one = Round(len(images), result["seconds"], -result["log_likelihood"])
        results.rounds.setdefault(f"{PEER}, batch_size={size}", []).append(one)
    return results._replace(versions=", ".join(f"{name} {number}" for name, number in answer["versions"].items()))


def peer_batches(samples: int) -> list[int]:
    """Return batch sizes for get_nll that keep the number of samples: one near its default, and all samples at once."""
    near = next(size for size in range(min(PEER_BATCH, samples), 0, -1) if samples % size == 0)
    return sorted({near, samples})


def arrays_of(params: Params) -> dict[str, np.ndarray]:
    """Return the parameters of dense layers as `encoder_kernel_0`, `encoder_bias_0`, ..., from input to output."""
    arrays = {}
    for side in ("encoder", "decoder"):
        layers = params[side]
        for i, name in enumerate(sorted(layers, key=lambda name: (name == "output", name))):
            arrays |= {f"{side}_{part}_{i}": np.asarray(layers[name][part]) for part in ("kernel", "bias")}
    return arrays


def make_products(params: Params, samples: int) -> Callable[[int], float]:
    """Make a function (images) -> seconds per image of the decoder's matrix products, with all samples at once."""
    arrays = arrays_of(params)
    kernels = [jax.device_put(arrays[name]) for name in sorted(arrays) if name.startswith("decoder_kernel")]
    z = jax.random.normal(jax.random.key(0), (samples, len(kernels[0])))

    @jax.jit
    def multiply(x: jax.Array, kernels: list[jax.Array]) -> jax.Array:
        for kernel in kernels:
            x = x @ kernel
        return x

    multiply(z, kernels).block_until_ready()

    def seconds(images: int) -> float:
        started = time.perf_counter()
        jax.block_until_ready([multiply(z, kernels) for _ in range(images)][-1])
        return (time.perf_counter() - started) / images

    return seconds
