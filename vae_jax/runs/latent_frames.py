"""The latents of the same test images, stored at regular steps of training: WORKDIR/latents/STEP.npy."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vae_jax.system import disk

FOLDER = "latents"
MOST_IMAGES = 2000

Encode = Callable[[Any], Float[np.ndarray, "M Z"]]


class LatentFrames:
    """Stores a frame at every multiple of `every` steps, and removes frames that a killed run left beyond `resume_step`.

    Args:
        workdir: the run's directory.
        every: the steps between frames; 0: no frames.
        resume_step: the step that training starts from; at 0 the untrained model is the first frame.
        encode: (params) -> latents of the images that `filmed_rows` picks.
    """

    def __init__(self, workdir: Path, every: int, resume_step: int, encode: Encode) -> None:
        self._folder, self._every, self._encode = workdir / FOLDER, every, encode
        for step, path in _frames(self._folder):
            if step > resume_step:
                path.unlink()

    def record(self, step: int, params: Any) -> None:
        """Store a frame if this step is a multiple of `every`."""
        if not self._every or step % self._every or (self._folder / f"{step}.npy").exists():
            return
        self._folder.mkdir(exist_ok=True)
        content = io.BytesIO()  # NumPy itself does not say that a disk is full
        np.save(content, np.asarray(self._encode(params), np.float32), allow_pickle=False)
        disk.write(self._folder / f"{step}.npy", content.getvalue())


def filmed_rows(num_images: int) -> Int[np.ndarray, " M"]:
    """Return the indices of the filmed test images: at most 2,000, always the same random ones, in the split's order."""
    chosen = np.random.default_rng(0).choice(num_images, min(num_images, MOST_IMAGES), replace=False)
    return np.sort(chosen)


def load_frames(
    workdir: Path, num_images: int, most: int | None = None, size: int | None = None
) -> tuple[list[int], Float[np.ndarray, "F M Z"], Int[np.ndarray, " M"]] | None:
    """Return (steps, latents, indices of their test images), or None without frames.

    Args:
        workdir: the run's directory.
        num_images: the number of test images; damaged frames, and frames for another number, are left out.
        most: the most frames to read, evenly spread, the first and the last among them; None: all.
        size: Z; frames of another size are left out; None: that of the last frame.
    """
    chosen, frames = filmed_rows(num_images), _frames(workdir / FOLDER)
    picked = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), most or len(frames))).round().astype(int))
    loaded = [(frames[i][0], _read(frames[i][1])) for i in picked]
    fitting = [(step, latents) for step, latents in loaded if latents is not None and len(latents) == len(chosen)]
    size = size or (fitting[-1][1].shape[1] if fitting else 0)
    kept = [(step, latents) for step, latents in fitting if latents.shape[1] == size]
    return ([step for step, _ in kept], np.stack([latents for _, latents in kept]), chosen) if kept else None


def _read(path: Path) -> np.ndarray | None:
    try:
        latents = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError):
        return None
    return latents if isinstance(latents, np.ndarray) and latents.ndim == 2 else None


def _frames(folder: Path) -> list[tuple[int, Path]]:
    """Return (step, file) of every frame, in the order of steps."""
    return sorted((int(path.stem), path) for path in folder.glob("*.npy") if path.stem.isdecimal())
