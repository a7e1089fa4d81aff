"""A Keras VAE that samples z and adds its loss in `call`, trained by `fit`; KERAS_BACKEND names the backend."""

from typing import Any

import keras  # pyright: ignore[reportMissingImports]
from keras import layers, ops  # pyright: ignore[reportMissingImports]

from experiments.benchmarks.peers_code import common


class VAE(keras.Model):
    """Two stacks of dense layers, with -elbo as the added loss."""

    def __init__(self, pixels: int, task: common.Task) -> None:
        super().__init__()
        self.encoder = mlp(task.hidden_dims, 2 * task.latent_dim)
        self.decoder = mlp(task.hidden_dims[::-1], pixels)
        self.seeds = keras.random.SeedGenerator(task.seed)

    def call(self, x):
        """Map images to logits and add the loss."""
        mean, logvar = ops.split(self.encoder(x), 2, axis=-1)
        z = mean + ops.exp(0.5 * logvar) * keras.random.normal(ops.shape(mean), seed=self.seeds)
        logits = self.decoder(z)
        reconstruction = ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), axis=-1)
        kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(logvar) - 1 - logvar, axis=-1)
        self.add_loss(ops.mean(reconstruction + kl))
        return logits


class Timed(keras.callbacks.Callback):
    """A callback that starts and stops the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = common.Clock()

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock before the first batch."""
        self.clock.begin()

    def on_epoch_end(self, epoch, logs=None):
        """Stop the clock after the last batch."""
        self.clock.end()


def mlp(hidden_dims: Any, num_outputs: int) -> Any:
    """Return dense layers with ReLU, and a linear layer at the end."""
    return keras.Sequential([*(layers.Dense(n, activation="relu") for n in hidden_dims), layers.Dense(num_outputs)])


def main() -> None:
    """Train, and write the answer."""
    task, train, test = common.read_task()
    keras.utils.set_random_seed(task.seed)
    model, timed = VAE(train.shape[1], task), Timed()
    model.compile(optimizer=keras.optimizers.Adam(task.learning_rate))
    model.fit(train, batch_size=task.batch_size, epochs=task.epochs, verbose=2, callbacks=[timed])
    common.answer(
        task,
        timed.clock.seconds,
        test,
        lambda x: ops.split(ops.convert_to_numpy(model.encoder.predict(x, verbose=0)), 2, axis=-1),
        lambda z: model.decoder.predict(z, verbose=0),
    )


if __name__ == "__main__":
    main()
