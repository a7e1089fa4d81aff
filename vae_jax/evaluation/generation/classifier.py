"""A small classifier of images, a judge of samples: fitted on training images only, and independent of the judged model."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.config import defaults, flatten, nest
from vae_jax.data.preprocess import unit
from vae_jax.models.networks import Ports, make_networks
from vae_jax.randomness import epoch_order
from vae_jax.types import Images, Params, Split

SETTINGS = {"network": "conv", "channels": (32, 64, 128), "conv.normalization": "group", "dropout": 0.2}
"""The encoder of these networks, with an output for each class, is the classifier."""
BATCH, RATE, WEIGHT_DECAY = 128, 2e-3, 1e-2
"""The images of a step, the peak learning rate of adamw, which falls to 0 as a cosine, and its weight decay."""


class Classifier(NamedTuple):
    """A fitted classifier."""

    params: Params
    logits: Callable[..., Float[Array, "B Y"]]
    """(params, x[B,H,W,C] in [0, 1], key=None) -> logits of the classes [B, Y]; a key turns dropout on."""


def make_logits(shape: tuple[int, int, int], num_classes: int) -> tuple[Callable[..., Params], Callable[..., Array]]:
    """Make (key) -> initial params, and the `Classifier.logits` of images of this shape."""
    networks = make_networks(nest(flatten(defaults()) | SETTINGS), Ports(shape, num_classes, 1, 1))

    def init(key: PRNGKeyArray) -> Params:
        return {"encoder": networks.init(key, None)["encoder"]}

    return init, networks.encode


def fit_classifier(
    train: Split,
    num_classes: int,
    seed: int = 0,
    num_epochs: int = 4,
    progress: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Classifier:
    """Fit a classifier by cross-entropy.

    Args:
        train: training images and their labels, all known.
        num_classes: Y.
        seed: the seed of the initial weights, the order and dropout.
        num_epochs: passes over the images.
        progress: called at the end of each epoch with its number and its mean loss, nats per image.
    """
    init, logits = make_logits(train.images.shape[1:], num_classes)
    steps = len(train.images) // BATCH
    assert steps, f"a classifier needs at least {BATCH} images, not {len(train.images)}"
    optimizer = optax.adamw(optax.cosine_decay_schedule(RATE, num_epochs * steps), weight_decay=WEIGHT_DECAY)
    key_init, key_dropout = jax.random.split(jax.random.key(seed))

    def loss(params: Params, x: Images, labels: Int32[Array, " B"], key: PRNGKeyArray) -> Float[Array, ""]:
        return optax.softmax_cross_entropy_with_integer_labels(logits(params, x, key), labels).mean()

    @jax.jit
    def step(params: Params, state: optax.OptState, images: Array, labels: Array, key: PRNGKeyArray):
        value, grads = jax.value_and_grad(loss)(params, unit(images), labels, key)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    params = jax.jit(init)(key_init)
    state = optimizer.init(params)
    for epoch in range(num_epochs):
        losses = []
        for i, rows in enumerate(epoch_order(seed, epoch, len(train.images), BATCH)):
            key = jax.random.fold_in(key_dropout, epoch * steps + i)
            params, state, value = step(params, state, train.images[rows], train.labels[rows], key)
            losses.append(value)
        progress(epoch + 1, float(jnp.stack(losses).mean()))
    return Classifier(params, logits)


def probabilities(classifier: Classifier, images: np.ndarray, batch: int = 1000) -> Float[np.ndarray, "N Y"]:
    """Return the probability of each class of each image, u8 or in [0, 1]."""

    @jax.jit
    def softmax(params: Params, x: Images) -> Float[Array, "B Y"]:
        return jax.nn.softmax(classifier.logits(params, unit(x)))

    pieces = [softmax(classifier.params, images[i : i + batch]) for i in range(0, len(images), batch)]
    return np.concatenate([np.asarray(piece) for piece in pieces])


def predict(classifier: Classifier, images: np.ndarray) -> Int32[np.ndarray, " N"]:
    """Return the likeliest class of each image, u8 or in [0, 1]."""
    return probabilities(classifier, images).argmax(axis=1).astype(np.int32)
