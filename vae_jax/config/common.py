"""The configuration keys that every run has."""

from vae_jax.keys import Key, count, numbers, real, text

FOLDER, SPLIT = ("dataset", "folder"), ("dataset", "folder", "arrays")
"""The data sets that read a key."""

MODEL = (
    text("model", "vae", "family of models"),
    text("network", "mlp", "encoder and decoder networks"),
    text("likelihood", "bernoulli", "p(x|z)"),
    text("objective", "elbo", "objective that training minimises"),
    text("condition", "none", "what the model is given beside the image; label: its class, so that it learns p(x|y)", "none",
          "label"),
    count("latent_dim", 20, "size of the latent space, or of each code's vector; the number of categorical variables",
          "dimensions", 1, unless="latent_grid"),
    real("dropout", 0.0, "probability that a hidden unit is dropped while training", high=0.95),
    text("dtype", "float32", "precision of the networks; parameters, losses and latents stay float32", "float32",
          "bfloat16"),
)  # fmt: skip

DATA = (
    text("dataset", "digits", "data set; any image set of TensorFlow Datasets works too"),
    text("data_dir", "", "folder of the data set's original files, for use offline; empty: download. dataset=folder: a folder "
          "with train/, test/ and perhaps val/, instead of the next three keys. dataset=arrays: the .npz or .npy file. "
          "dataset=codes: the folder of a finished run. dataset=grain: a folder of array_record shards, from TFDS or "
          "`vae-jax pack`",
          identity=False),
    text("train_dir", "", "folder of training images (image folders)", identity=False, only=FOLDER),
    text("val_dir", "", "folder of validation images (image folders)", identity=False, only=FOLDER),
    text("test_dir", "", "folder of test images (image folders)", identity=False, only=FOLDER),
    numbers("split", (), "proportions for splitting image folders or arrays: three (train, val, test) or two (train, val or "
             "val, test; see split_target)", float, 0.0, length=(0, 2, 3), only=SPLIT),
    text("split_target", "train", "part that two proportions split: train into train and val, or test into val and test", "train",
          "test", only=SPLIT),
    text("held_out", "random", "images that are held out for validation, or as a test split if a set has none: random ones of "
          "each class, or the last ones of the file", "random", "last"),
    real("val_fraction", 0.1, "validation images taken from the training split: a fraction below 1, else a number of images"),
    count("num_train", 0, "training images used; 0: all", "images"),
    count("split_seed", 0, "seed of splits and static binarisation; `seed` does not affect them", high=2**32 - 1),
    numbers("image_size", (), "height and width to which images are resized; empty: not resized", int, 1, length=(0, 2)),
    Key("grayscale", bool, False, "convert colour images to grey"),
    text("background", "black", "colour behind transparent pixels (image folders)", "black", "white", only=FOLDER),
    Key("skip_broken", bool, False, "skip image files that cannot be read (image folders)", identity=False, only=FOLDER),
    text("binarize", "none", "random binarisation of pixels: once (static_seeded) or at every use (dynamic)",
          "none", "static_seeded", "dynamic"),
    text("cache_dir", "", "folder for decoded data; empty: the user's cache folder", identity=False),
    Key("compilation_cache", bool, True, "keep compiled programs in the cache folder; later starts are faster", identity=False),
)  # fmt: skip

OPTIMISATION = (
    count("batch_size", 128, "images in a training step, over all devices", "images", 1),
    count("accumulate_steps", 1, "parts of a batch that are computed one after another, with their gradients averaged; memory "
           "is that of one part", "parts", 1),
    count("num_epochs", 200, "passes over the training split", "epochs", 1, identity=False),
    real("learning_rate", 1e-3, "peak learning rate", open_low=True, hparam=True),
    text("optimizer", "adam", "optimizer", "adam", "adamw", "rmsprop", "sgd"),
    real("adam_b1", 0.9, "decay of adam's first moment", high=0.99999999, only=("optimizer", "adam", "adamw")),
    real("adam_b2", 0.999, "decay of the second moment of adam and rmsprop", high=0.99999999,
         only=("optimizer", "adam", "adamw", "rmsprop")),
    real("adam_eps", 1e-8, "small constant in the denominator of adam and rmsprop", open_low=True),
    real("weight_decay", 1e-4, "weight decay of adamw", only=("optimizer", "adamw")),
    text("schedule", "constant", "learning rate after the warm-up; staircase: stages i = 0 to 7 of 3^i epochs, at the rate "
          "times 10^(-i/7) (Burda et al. 2016)", "constant", "cosine", "staircase"),
    real("schedule_epochs", 0.0, "length of the cosine schedule, warm-up included", "epochs", only=("schedule", "cosine")),
    real("warmup_epochs", 0.0, "length of the linear growth of the learning rate from 0", "epochs"),
    real("clip_norm", 0.0, "largest global norm of the gradients; 0: not clipped"),
    count("early_stopping", 0, "checkpoints in a row without a better validation metric before training stops; 0: never",
           "checkpoints", identity=False),
    count("seed", 0, "seed of initialisation, order, noise and evaluation", high=2**32 - 1),
    count("steps_per_dispatch", 0, "training steps in one device call; 0: chosen automatically", "steps", identity=False),
    text("streaming", "auto", "gather training images from disk for each device call, instead of keeping them on the device; "
          "auto: if they would take more than a quarter of its memory", "auto", "on", "off", identity=False),
    count("data_workers", 0, "processes that read training images ahead (dataset=grain); 0: threads of this one", "processes",
          high=1024, identity=False, only=("dataset", "grain")),
)  # fmt: skip

RECORDS = (
    Key("log.parameters", bool, False, "print the table of parameters", identity=False),
    Key("log.profile", bool, False, "write a trace of a few training steps, for TensorBoard or ui.perfetto.dev",
        identity=False),
    Key("log.tensorboard", bool, True, "write TensorBoard files", identity=False),
    text("log.tracker", "none", "tracker that shows the run beside others; its environment variables name project and server "
         "(docs/trackers.md)", identity=False),
    count("log.latent_every_steps", 0, "steps between stored latents of test images, the frames of the animation; "
           "0: none", "steps", identity=False),
    count("eval.every_epochs", 1, "epochs between evaluations on the validation split", "epochs", 1, identity=False),
    count("eval.batch_size", 1000, "images in an evaluation step", "images", 1, 65536, identity=False),
    count("checkpoint.every_epochs", 0, "epochs between checkpoints; 0: about 200 steps", "epochs",
           identity=False),
    text("checkpoint.best_metric", "auto", "metric that chooses the best checkpoint; auto: val/elbo for objective=elbo "
          "with beta=1, else val/loss", "auto", "val/elbo", "val/loss", identity=False),
)  # fmt: skip

COMMON: dict[str, tuple[Key, ...]] = {
    "the model": MODEL,
    "the data": DATA,
    "optimisation": OPTIMISATION,
    "logs, evaluation and checkpoints": RECORDS,
}
"""Heading -> keys, for `--help`."""
