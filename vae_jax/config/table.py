"""The table of configuration keys: name, type, default, range, unit, meaning, and whether it identifies a run."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax.keys import LARGEST_REAL, Key, count, numbers, real, text
from vae_jax.types import Config

KEYS: tuple[Key, ...] = (
    text("model", "vae", "family of models"),
    text("network", "mlp", "encoder and decoder networks"),
    numbers("hidden_dims", (512, 256), "widths of the encoder's hidden layers; the decoder mirrors them", int, 1),
    numbers("channels", (32, 64), "channels of the encoder's convolutions; the decoder mirrors them", int, 1),
    text("normalization", "none", "normalisation after each convolution", "none", "group"),
    text("activation", "relu", "nonlinearity between layers"),
    text("kernel_init", "he", "initial weights: he's, with small last layers, or glorot's, uniform (network=mlp)", "he",
          "glorot"),
    count("latent_dim", 20, "size of the latent space", "dimensions", 1),
    count("upper_latent_dim", 10, "size of the upper latent layer (model=two_layer); latent_dim is the lower one's",
           "dimensions", 1),
    numbers("upper_hidden_dims", (100, 100), "widths of the layers between lower and upper latents (model=two_layer)", int,
             1),
    real("dropout", 0.0, "probability that a hidden unit is dropped while training", high=0.95),
    text("likelihood", "bernoulli", "p(x|z)"),
    real("sigma", 1.0, "standard deviation of the gaussian likelihood; where it is learned or optimal, the first one",
          "pixel range [0, 1]", open_low=True),
    text("sigma_mode", "given", "the gaussian's standard deviation: sigma, or learned with the network, or optimal, "
          "the root mean squared error of the last batches (sigma-VAE)", "given", "learned", "optimal"),
    text("objective", "elbo", "what training minimises"),
    real("beta", 1.0, "weight of the KL in the training loss, or of its distance from the capacity; evaluation always "
          "reports beta = 1"),
    real("kl_warmup_epochs", 0.0, "the KL's weight grows linearly from 0 to beta over these", "epochs"),
    count("kl_cycles", 1, "times that it does so; between two it stays at beta for kl_warmup_epochs, after the last for "
           "ever", "cycles", 1),
    real("free_bits", 0.0, "KL of a latent dimension below which it costs nothing while training", "nats"),
    real("capacity", 0.0, "the batch's mean KL that training aims at; 0: as small as the elbo makes it", "nats"),
    real("capacity_epochs", 0.0, "the capacity grows linearly from 0 over these; 0: it is there from the start", "epochs"),
    count("num_samples", 1, "importance weights of an image in a training step (objective=importance)", "samples", 1),
    count("num_groups", 1, "groups of them whose bounds are averaged (MIWAE); divides num_samples", "groups", 1),
    real("elbo_weight", 0.0, "share of the mean log weight in the bound: 0 is IWAE, 1 a VAE with num_samples, between CIWAE",
          high=1.0),
    text("gradient", "plain", "the encoder's: plain, or sticking the landing (stl: biased unless elbo_weight=1 or "
          "num_groups=num_samples), or doubly reparameterised (dreg)", "plain", "stl", "dreg"),
    real("noise_mean", 0.0, "mean of the noise that a denoiser's input gets", "pixel range [0, 1]", -LARGEST_REAL),
    real("noise_std", 0.0, "standard deviation of the noise that a denoiser's input gets", "pixel range [0, 1]"),
    text("dataset", "digits", "data set; also any image set of TensorFlow Datasets"),
    text("data_dir", "", "the data set's original files, for use offline; empty: download. dataset=folder: a folder with "
          "train/, test/ and perhaps val/ in place of the three keys below. dataset=arrays: the .npz or .npy file",
          identity=False),
    text("train_dir", "", "folder of training images (image folders)", identity=False),
    text("val_dir", "", "folder of validation images (image folders)", identity=False),
    text("test_dir", "", "folder of test images (image folders)", identity=False),
    numbers("split", (), "proportions into which image folders or arrays are split: three (train, val, test), or two "
             "(train, val or val, test: split_target)", float, 0.0, length=(0, 2, 3)),
    text("split_target", "train", "what two proportions split: train into train, val, or test into val, test", "train",
          "test"),
    real("val_fraction", 0.1, "validation images taken from the training split: below 1 a fraction, from 1 a count"),
    count("num_train", 0, "training images used; 0: all", "images"),
    count("split_seed", 0, "seed that alone decides splits and binarisation", high=2**32 - 1),
    numbers("image_size", (), "height and width that images are resized to; empty: as they are", int, 1, length=(0, 2)),
    Key("grayscale", bool, False, "turn colour images grey"),
    text("background", "black", "what transparent pixels of image folders show", "black", "white"),
    Key("skip_broken", bool, False, "go on without the files of image folders that cannot be read", identity=False),
    text("binarize", "none", "pixels turned into 0 or 1 by a draw", "none", "static_seeded", "dynamic"),
    text("cache_dir", "", "folder for decoded data; empty: the user's cache folder", identity=False),
    Key("compilation_cache", bool, True, "keep compiled programs in the cache folder, for later starts", identity=False),
    count("batch_size", 128, "images in a training step, over all devices", "images", 1),
    count("accumulate_steps", 1, "parts of a step's batch that are computed one after another, their gradients averaged: the "
           "memory of one", "parts", 1),
    text("dtype", "float32", "what the networks compute in; parameters, losses and latents stay float32", "float32",
          "bfloat16"),
    count("num_epochs", 200, "passes over the training split", "epochs", 1, identity=False),
    real("learning_rate", 1e-3, "peak step size", open_low=True),
    text("optimizer", "adam", "optimizer", "adam", "adamw", "rmsprop", "sgd"),
    real("adam_b1", 0.9, "decay of adam's first moment", high=0.99999999),
    real("adam_b2", 0.999, "decay of adam's second moment, and of rmsprop's", high=0.99999999),
    real("adam_eps", 1e-8, "adam's and rmsprop's guard against division by zero", open_low=True),
    real("weight_decay", 1e-4, "adamw's decay of the parameters"),
    text("schedule", "constant", "learning rate after its warm-up; staircase: stages i = 0 to 7 of 3^i epochs at 10^(-i/7) "
          "of it (Burda et al. 2016)", "constant", "cosine", "staircase"),
    real("schedule_epochs", 0.0, "length of a schedule that ends, its warm-up included", "epochs"),
    real("warmup_epochs", 0.0, "the learning rate grows linearly from 0 over these", "epochs"),
    real("clip_norm", 0.0, "largest global norm of a gradient; 0: not clipped"),
    count("early_stopping", 0, "evaluated checkpoints without a better validation metric before training stops; 0: never",
           "checkpoints", identity=False),
    count("seed", 0, "seed of initialisation, order, noise and evaluation", high=2**32 - 1),
    count("steps_per_dispatch", 0, "steps in one call of the device; 0: chosen for the device", "steps", identity=False),
    text("streaming", "auto", "training images gathered from disk for each call of the device and not kept on it; auto: "
          "where they would take more than a quarter of its memory", "auto", "on", "off", identity=False),
    Key("log.parameters", bool, False, "print the table of parameters", identity=False),
    Key("log.profile", bool, False, "write a trace of some steps of training, for TensorBoard or ui.perfetto.dev",
        identity=False),
    Key("log.tensorboard", bool, True, "write TensorBoard files", identity=False),
    count("log.latent_every_steps", 0, "steps between stored frames of the test images' latents, for the animation; "
           "0: none", "steps", identity=False),
    count("eval.every_epochs", 1, "epochs between evaluations on the validation split", "epochs", 1, identity=False),
    count("eval.batch_size", 1000, "images in an evaluation step", "images", 1, 65536, identity=False),
    count("checkpoint.every_epochs", 0, "epochs between checkpoints; 0: as many as make 200 steps", "epochs",
           identity=False),
    text("checkpoint.best_metric", "auto", "what makes a checkpoint the best: auto is val/elbo for objective=elbo "
          "with beta=1, else val/loss", "auto", "val/elbo", "val/loss", identity=False),
)  # fmt: skip

BY_NAME = {key.name: key for key in KEYS}


def defaults() -> Config:
    """Every key at its default, as a locked ConfigDict; dots in a name become nesting."""
    return nest({key.name: key.default for key in KEYS})


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Nested config -> {"eval.batch_size": 1000, ...}, lists as tuples."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict | Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = tuple(value) if isinstance(value, list) else value
    return flat


def nest(flat: Mapping[str, Any]) -> Config:
    """{"eval.batch_size": 1000, ...} -> nested, locked ConfigDict; the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *rooms, leaf = name.split(".")
        node = nested
        for room in rooms:
            node = node.setdefault(room, {})
        node[leaf] = value
    return ConfigDict(nested).lock()


def key_table(registries: Mapping[str, Collection[str]]) -> str:
    """Every key with its default, meaning, choices and unit, for `--help`; registries give the choices of some keys."""
    rows = []
    for key in KEYS:
        default = json.dumps(key.default) if key.kind is str else str(key.default)
        names = ", ".join(registries.get(key.name, key.choices))
        notes = [f" ({names})" if names else "", f" [{key.unit}]" if key.unit else ""]
        rows.append((f"--config.{key.name}", default, key.meaning + "".join(notes)))
    wide = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"  {name:<{wide[0]}}  {default:<{wide[1]}}  {meaning}" for name, default, meaning in rows)
