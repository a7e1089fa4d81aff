"""pythae's VAE, trained by its TrainingPipeline."""

from collections.abc import Sequence
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from pythae.models import VAE, VAEConfig  # pyright: ignore[reportMissingImports]
from pythae.models.base.base_utils import ModelOutput  # pyright: ignore[reportMissingImports]
from pythae.models.nn import BaseDecoder, BaseEncoder  # pyright: ignore[reportMissingImports]
from pythae.pipelines import TrainingPipeline  # pyright: ignore[reportMissingImports]
from pythae.trainers import BaseTrainerConfig  # pyright: ignore[reportMissingImports]
from pythae.trainers.training_callbacks import TrainingCallback  # pyright: ignore[reportMissingImports]

from experiments.benchmarks.peers_code import common
from experiments.benchmarks.peers_code.with_torch import mlp


class Encoder(BaseEncoder):
    """A map from pixels to mean and log variance."""

    def __init__(self, pixels: int, hidden_dims: Sequence[int], latent_dim: int) -> None:
        super().__init__()
        self.layers = mlp(pixels, *hidden_dims, 2 * latent_dim)

    def forward(self, x):
        """Return the outputs under the names that pythae reads."""
        mean, logvar = self.layers(x).chunk(2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=logvar)


class Decoder(BaseDecoder):
    """A map from z to pixels in [0, 1], which pythae's Bernoulli term needs."""

    def __init__(self, pixels: int, hidden_dims: Sequence[int], latent_dim: int) -> None:
        super().__init__()
        self.layers = mlp(latent_dim, *hidden_dims[::-1], pixels)

    def forward(self, z):
        """Return the output under the name that pythae reads."""
        return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))


class Timed(TrainingCallback):
    """A callback that starts and stops the clock."""

    def __init__(self) -> None:
        self.clock = common.Clock()

    def on_epoch_begin(self, training_config, **_):
        """Start the clock before the first batch."""
        self.clock.begin()

    def on_epoch_end(self, training_config, **_):
        """Stop the clock after the last batch and the copy of the best model."""
        self.clock.end()


def make_vae(pixels: int, hidden_dims: Sequence[int], latent_dim: int) -> Any:
    """Make pythae's VAE with dense networks of these sizes and Bernoulli pixels."""
    encoder, decoder = Encoder(pixels, hidden_dims, latent_dim), Decoder(pixels, hidden_dims, latent_dim)
    return VAE(VAEConfig(input_dim=(pixels,), latent_dim=latent_dim, reconstruction_loss="bce"), encoder, decoder)


def main() -> None:
    """Train, and write the answer."""
    task, train, test = common.read_task()
    torch.manual_seed(task.seed)
    vae, timed = make_vae(train.shape[1], task.hidden_dims, task.latent_dim), Timed()
    trainer_config = BaseTrainerConfig(
        output_dir=task.scratch,
        num_epochs=task.epochs,
        learning_rate=task.learning_rate,
        per_device_train_batch_size=task.batch_size,
        optimizer_cls="Adam",
        seed=task.seed,
    )
    TrainingPipeline(vae, trainer_config)(train, callbacks=[timed])
    with torch.no_grad():
        common.answer(
            task,
            timed.clock.seconds,
            test,
            lambda x: vae.encoder.layers(torch.from_numpy(x)).chunk(2, dim=-1),
            lambda z: vae.decoder.layers(torch.from_numpy(z)),
        )


if __name__ == "__main__":
    main()
