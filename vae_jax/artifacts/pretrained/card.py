"""The model card: README.md, which begins with the metadata that the hub reads."""

import json
from collections.abc import Mapping
from typing import Any

from vae_jax.artifacts.about import OWN
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.models import describe_latents, num_parameters
from vae_jax.runs.run import Run
from vae_jax.system.formatting import format_value
from vae_jax.types import Config

SPLITS = {"val": "validation", "test": "test"}
ABSENT = "not given"


def model_card(run: Run, metrics: Mapping[str, Any], license: str, name: str, picture: str) -> str:
    """Return the text of a model card.

    Args:
        run: the trained model.
        metrics: its numbers, from `about.metrics`; empty if it was not evaluated.
        license: the identifier of its licence, or an empty text.
        name: its name on the hub, or an empty text.
        picture: the file name of its picture, or an empty text.
    """
    from vae_jax.artifacts.report.facts import model_title

    title = f"{model_title(run.config)} on {_data(run.config)}"
    shown = [f"![{picture.partition('.')[0]} of this model]({picture})", ""] if picture else []
    lines = [
        *_metadata(run, license),
        f"# {title}",
        "",
        f"{num_parameters(run.params):,} parameters, {describe_latents(run.model, run.config)}, {run.config.network} networks, "
        f"{run.config.likelihood} likelihood, step {run.step:,}. Trained with vae_jax, a laboratory for autoencoders in JAX.",
        *([f"Its prior, {run.config.prior}, was learned afterwards from the codes of images."] if run.joined else []),
        "",
        *shown,
        *_numbers(metrics),
        *_facts(run, license),
        *_use(run, name),
        *_training(run),
        *_limits(run),
    ]
    return "\n".join(lines) + "\n"


def _metadata(run: Run, license: str) -> list[str]:
    """Return the lines of the YAML; texts are quoted as in JSON, which is YAML."""
    config = run.config
    data = [] if config.dataset in OWN else [config.dataset]
    kind = "autoencoder" if run.model.rate is None else "variational-autoencoder"
    tags = dict.fromkeys(["vae_jax", "jax", kind, config.model, *data])
    draws = run.model.prior is not None and run.model.given is None
    return [
        "---",
        "library_name: vae_jax",
        *([f"license: {json.dumps(license.lower())}"] if license else []),
        *(["pipeline_tag: unconditional-image-generation"] if draws else []),
        "tags:",
        *(f"- {json.dumps(tag)}" for tag in tags),
        "---",
        "",
    ]


def _data(config: Config) -> str:
    return "images of its author" if config.dataset in OWN else config.dataset


def _numbers(metrics: Mapping[str, Any]) -> list[str]:
    from vae_jax.artifacts.report.measured import unit

    splits = [split for split in SPLITS if any(name.startswith(f"{split}/") for name in metrics)]
    if not splits:
        return ["## Numbers", "", "None: this checkpoint was not evaluated.", ""]
    bounds = f" Bounds are of {metrics['bounds_on']}." if "bounds_on" in metrics else ""
    names = dict.fromkeys(name.partition("/")[2] for name in metrics if name.partition("/")[0] in splits)
    rows = [
        f"| {name} | {unit(name)} | "
        + " | ".join(format_value(name, metrics.get(f"{split}/{name}")) for split in splits)
        + " |"
        for name in names
    ]
    return [
        "## Numbers",
        "",
        f"Of {metrics.get('pixels', 'grey')} pixels, one run; numbers of other pixels are other quantities.{bounds}",
        "",
        f"| metric | unit | {' | '.join(SPLITS[split] for split in splits)} |",
        f"|---|---|{'---|' * len(splits)}",
        *rows,
        "",
    ]


def _facts(run: Run, license: str) -> list[str]:
    config, spec = run.config, run.spec
    size = " x ".join(map(str, run.shape))
    kind = kind_of_pixels(config.binarize, run.shape[2])
    classes = f", {spec.num_classes} classes" if spec.num_classes else ""
    given = " The model is given the class of each image." if run.model.given is not None else ""
    return [
        "## Data",
        "",
        f"{_data(config)}: {spec.num_train:,} training images of {size}, {kind} pixels{classes}.{given}",
        "",
        "## Licence",
        "",
        license or ABSENT,
        "",
    ]


def _use(run: Run, name: str) -> list[str]:
    label = ", label=0" if run.model.given is not None else ""
    comment = "" if name else "  # or its name on the hub, user/model"
    drawn = [f"images = run.sample(16, seed=0{label})  # [16, {', '.join(map(str, run.shape))}], pixels in [0, 1]"]
    labels = ", labels" if label else ""
    return [
        "## Use",
        "",
        "```sh",
        "pip install 'vae_jax[hub]'",
        "```",
        "",
        "```python",
        "import vae_jax",
        "",
        f'run = vae_jax.from_pretrained("{name or "FOLDER"}"){comment}',
        *(drawn if run.model.prior is not None else []),
        f"z = run.latents(x{labels})  # x: [N, {', '.join(map(str, run.shape))}], uint8 or floats in [0, 1]",
        f"again = run.reconstruct(x{labels})",
        "```",
        "",
    ]


def _training(run: Run) -> list[str]:
    from vae_jax.artifacts.report.commands import of_shared, places

    own = []
    if run.config.dataset in OWN:
        (name,) = places(run.config).values()
        own = [f"Its images are not here: {name} stands for your own, {_form(run.config)}.", ""]
    return ["## Training", "", *own, "```sh", *of_shared(run), "```", ""]


def _form(config: Config) -> str:
    """Return the form that a person's own images have in the command of the card."""
    if config.dataset == "arrays":
        return "an .npz or .npy file"
    if config.dataset == "grain":
        return "shards of `vae-jax pack` or of TensorFlow Datasets"
    return {0: "a folder with train/, val/ and test/", 2: "a folder with train/ and test/", 3: "a folder of images"}[
        len(config.split)
    ]


def _limits(run: Run) -> list[str]:
    height, width, channels = run.shape
    drawn = " A sample may resemble one of them." if run.model.prior is not None else ""
    bound = ["- An elbo is a lower bound on log p(x), in nats per image; higher is better."] * (
        run.model.rate is not None
    )
    return [
        "## Limits",
        "",
        f"- It is for images like its training images, {height} x {width} with {channels} channel{'s' * (channels > 1)}.{drawn}",
        f"- One run, seed {run.config.seed}: a small difference from another model may be one of seeds.",
        *bound,
        "- Other versions and devices change numbers by rounding.",
    ]
