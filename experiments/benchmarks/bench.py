"""Our training loop, prepared for a run whose parts are timed."""

import io
from contextlib import ExitStack
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.evaluation.latent_codes import encode_filmed
from vae_jax.randomness import epoch_order
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.latent_frames import LatentFrames
from vae_jax.runs.writer import Writer
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.training import epochs
from vae_jax.training import measure as run_measure
from vae_jax.training.prepare import Training, prepare
from vae_jax.training.session import Progress, Session
from vae_jax.types import Config

FULL_EPOCHS = 20


class Bench:
    """Our loop, prepared for a run in a temporary directory; its open files are entered into `files`."""

    def __init__(self, config: Config, workdir: Path, files: ExitStack) -> None:
        self.run: Training = prepare(config)
        encode = encode_filmed(self.run.model, self.run.dataset.test, self.run.config.eval.batch_size)
        film = LatentFrames(workdir, 0, 0, encode)
        self.checkpoints = files.enter_context(Checkpoints(workdir / "checkpoints"))
        self.session = Session(
            jax.tree.map(jnp.copy, self.run.state),
            Progress(),
            workdir,
            signals.StopRequest(),
            self.checkpoints,
            files.enter_context(Writer(workdir, 0, True)),
            Console(io.StringIO()),
            film,
            Profile(None),
        )

    def epoch(self) -> None:
        """Train an epoch as a run does, and reset the sums of the metrics."""
        session = epochs.train_epoch(self.run, self.session)
        self.session = session._replace(progress=session.progress._replace(sums={}))

    def full(self) -> None:
        """Train FULL_EPOCHS epochs with validation, logging and checkpoints, and run the final evaluation."""
        for _ in range(FULL_EPOCHS):
            self.session = epochs.end_epoch(self.run, epochs.train_epoch(self.run, self.session))
        self.checkpoints.wait()
        run_measure.measure(self.run, self.checkpoints, "best")

    def calls(self) -> None:
        """Run the device calls of FULL_EPOCHS epochs, and nothing else."""
        config, size, state = self.run.config, self.run.steps_per_dispatch, self.session.whole_state()
        for epoch in range(FULL_EPOCHS):
            order = epoch_order(config.seed, epoch, len(self.run.dataset.train.images), config.batch_size)
            for start in range(0, len(order), size):
                images, places = self.run.feed.images(order[start : start + size], 0)
                state, _ = self.run.chunk(state, images, places, self.run.key_train, self.run.hparams)
        jax.block_until_ready(state)
        self.session = self.session._replace(state=state)

    def order(self) -> np.ndarray:
        """Return the image rows of an epoch, [T, B]."""
        config = self.run.config
        return epoch_order(config.seed, 0, len(self.run.dataset.train.images), config.batch_size)
