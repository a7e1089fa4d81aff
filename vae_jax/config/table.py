"""The table of configuration keys: name, type, default, range, unit, meaning, and if a key identifies a run."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax.keys import LARGEST_REAL, Key, count, numbers, real, text
from vae_jax.types import Config

KEYS: tuple[Key, ...] = (
    # the model and its networks
    text("model", "vae", "family of models"),
    text("network", "mlp", "encoder and decoder networks"),
    numbers("hidden_dims", (512, 256), "widths of the encoder's hidden layers; the decoder mirrors them", int, 1),
    numbers("channels", (32, 64), "channels of the encoder's convolutions; the decoder mirrors them", int, 1),
    text("normalization", "none", "normalisation after each convolution", "none", "group"),
    text("activation", "relu", "nonlinearity between layers"),
    text("kernel_init", "he", "initial weights: He's with small last layers, or Glorot's uniform ones (network=mlp)", "he",
          "glorot"),
    count("latent_dim", 20, "size of the latent space", "dimensions", 1),
    count("upper_latent_dim", 10, "size of the upper latent layer (model=two_layer); latent_dim is the size of the lower one",
           "dimensions", 1),
    numbers("upper_hidden_dims", (100, 100), "widths of the layers between lower and upper latents (model=two_layer)", int,
             1),
    real("dropout", 0.0, "probability that a hidden unit is dropped while training", high=0.95),
    # the likelihood
    text("likelihood", "bernoulli", "p(x|z)"),
    real("sigma", 1.0, "standard deviation of the gaussian likelihood; its initial value if it is learned or optimal",
          "pixel range [0, 1]", open_low=True),
    text("sigma_mode", "given", "standard deviation of the gaussian likelihood: sigma (given), learned, or optimal, "
          "the root mean squared error of the last batches (sigma-VAE)", "given", "learned", "optimal"),
    # the objective
    text("objective", "elbo", "objective that training minimises"),
    real("beta", 1.0, "weight in the training loss of the KL, or of its distance from the capacity; evaluation always "
          "uses beta = 1"),
    real("kl_warmup_epochs", 0.0, "length of the linear growth of the KL's weight from 0 to beta", "epochs"),
    count("kl_cycles", 1, "number of such warm-ups; after each the weight stays at beta for kl_warmup_epochs, after the last "
           "until the end", "cycles", 1),
    real("free_bits", 0.0, "KL per latent dimension that costs nothing in training", "nats"),
    real("capacity", 0.0, "target of the mean KL of a batch; 0: no target", "nats"),
    real("capacity_epochs", 0.0, "length of the linear growth of the capacity; 0: full from the start", "epochs"),
    count("num_samples", 1, "importance samples per image in a training step (objective=importance)", "samples", 1),
    count("num_groups", 1, "groups of samples whose bounds are averaged (MIWAE); must divide num_samples", "groups", 1),
    real("elbo_weight", 0.0, "share of the mean log weight in the bound: 0 is IWAE, 1 a VAE with num_samples, else CIWAE",
          high=1.0),
    text("gradient", "plain", "gradient of the encoder: plain, sticking the landing (stl: biased unless elbo_weight=1 or "
          "num_groups=num_samples), or doubly reparameterised (dreg)", "plain", "stl", "dreg"),
    real("noise_mean", 0.0, "mean of the noise added to the input (objective=denoising)", "pixel range [0, 1]", -LARGEST_REAL),
    real("noise_std", 0.0, "standard deviation of the noise added to the input (objective=denoising)", "pixel range [0, 1]"),
    # data
    text("dataset", "digits", "data set; any image set of TensorFlow Datasets works too"),
    text("data_dir", "", "folder of the data set's original files, for use offline; empty: download. dataset=folder: a folder "
          "with train/, test/ and perhaps val/, instead of the next three keys. dataset=arrays: the .npz or .npy file",
          identity=False),
    text("train_dir", "", "folder of training images (image folders)", identity=False),
    text("val_dir", "", "folder of validation images (image folders)", identity=False),
    text("test_dir", "", "folder of test images (image folders)", identity=False),
    numbers("split", (), "proportions for splitting image folders or arrays: three (train, val, test) or two (train, val or "
             "val, test; see split_target)", float, 0.0, length=(0, 2, 3)),
    text("split_target", "train", "part that two proportions split: train into train and val, or test into val and test", "train",
          "test"),
    real("val_fraction", 0.1, "validation images taken from the training split: a fraction below 1, else a number of images"),
    count("num_train", 0, "training images used; 0: all", "images"),
    count("split_seed", 0, "seed of splits and static binarisation; `seed` does not affect them", high=2**32 - 1),
    numbers("image_size", (), "height and width to which images are resized; empty: not resized", int, 1, length=(0, 2)),
    Key("grayscale", bool, False, "convert colour images to grey"),
    text("background", "black", "colour behind transparent pixels (image folders)", "black", "white"),
    Key("skip_broken", bool, False, "skip image files that cannot be read (image folders)", identity=False),
    text("binarize", "none", "random binarisation of pixels: once (static_seeded) or at every use (dynamic)",
          "none", "static_seeded", "dynamic"),
    # caches
    text("cache_dir", "", "folder for decoded data; empty: the user's cache folder", identity=False),
    Key("compilation_cache", bool, True, "keep compiled programs in the cache folder; later starts are faster", identity=False),
    # optimisation
    count("batch_size", 128, "images in a training step, over all devices", "images", 1),
    count("accumulate_steps", 1, "parts of a batch that are computed one after another, with their gradients averaged; memory "
           "is that of one part", "parts", 1),
    text("dtype", "float32", "precision of the networks; parameters, losses and latents stay float32", "float32",
          "bfloat16"),
    count("num_epochs", 200, "passes over the training split", "epochs", 1, identity=False),
    real("learning_rate", 1e-3, "peak learning rate", open_low=True),
    text("optimizer", "adam", "optimizer", "adam", "adamw", "rmsprop", "sgd"),
    real("adam_b1", 0.9, "decay of adam's first moment", high=0.99999999),
    real("adam_b2", 0.999, "decay of the second moment of adam and rmsprop", high=0.99999999),
    real("adam_eps", 1e-8, "small constant in the denominator of adam and rmsprop", open_low=True),
    real("weight_decay", 1e-4, "weight decay of adamw"),
    text("schedule", "constant", "learning rate after the warm-up; staircase: stages i = 0 to 7 of 3^i epochs, at the rate "
          "times 10^(-i/7) (Burda et al. 2016)", "constant", "cosine", "staircase"),
    real("schedule_epochs", 0.0, "length of the cosine schedule, warm-up included", "epochs"),
    real("warmup_epochs", 0.0, "length of the linear growth of the learning rate from 0", "epochs"),
    real("clip_norm", 0.0, "largest global norm of the gradients; 0: not clipped"),
    count("early_stopping", 0, "checkpoints in a row without a better validation metric before training stops; 0: never",
           "checkpoints", identity=False),
    # the run
    count("seed", 0, "seed of initialisation, order, noise and evaluation", high=2**32 - 1),
    count("steps_per_dispatch", 0, "training steps in one device call; 0: chosen automatically", "steps", identity=False),
    text("streaming", "auto", "gather training images from disk for each device call, instead of keeping them on the device; "
          "auto: if they would take more than a quarter of its memory", "auto", "on", "off", identity=False),
    # logs, evaluation, checkpoints
    Key("log.parameters", bool, False, "print the table of parameters", identity=False),
    Key("log.profile", bool, False, "write a trace of a few training steps, for TensorBoard or ui.perfetto.dev",
        identity=False),
    Key("log.tensorboard", bool, True, "write TensorBoard files", identity=False),
    count("log.latent_every_steps", 0, "steps between stored latents of test images, the frames of the animation; "
           "0: none", "steps", identity=False),
    count("eval.every_epochs", 1, "epochs between evaluations on the validation split", "epochs", 1, identity=False),
    count("eval.batch_size", 1000, "images in an evaluation step", "images", 1, 65536, identity=False),
    count("checkpoint.every_epochs", 0, "epochs between checkpoints; 0: about 200 steps", "epochs",
           identity=False),
    text("checkpoint.best_metric", "auto", "metric that chooses the best checkpoint; auto: val/elbo for objective=elbo "
          "with beta=1, else val/loss", "auto", "val/elbo", "val/loss", identity=False),
)  # fmt: skip

BY_NAME = {key.name: key for key in KEYS}


def defaults() -> Config:
    """Return every key at its default, as a locked ConfigDict; dots in a name become nesting."""
    return nest({key.name: key.default for key in KEYS})


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a nested config to {"eval.batch_size": 1000, ...}; lists become tuples."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict | Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = tuple(value) if isinstance(value, list) else value
    return flat


def nest(flat: Mapping[str, Any]) -> Config:
    """Nest {"eval.batch_size": 1000, ...} to a locked ConfigDict; the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *folders, leaf = name.split(".")
        node = nested
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = value
    return ConfigDict(nested).lock()


def key_table(registries: Mapping[str, Collection[str]]) -> str:
    """Return a line per key for `--help`: default, meaning, choices, unit; registries give the choices of some keys."""
    rows = []
    for key in KEYS:
        default = json.dumps(key.default) if key.kind is str else str(key.default)
        names = ", ".join(registries.get(key.name, key.choices))
        notes = [f" ({names})" if names else "", f" [{key.unit}]" if key.unit else ""]
        rows.append((f"--config.{key.name}", default, key.meaning + "".join(notes)))
    wide = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"  {name:<{wide[0]}}  {default:<{wide[1]}}  {meaning}" for name, default, meaning in rows)
