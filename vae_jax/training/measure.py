"""A checkpoint evaluated on every split: at the end of a run, and for `vae-jax evaluate`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import config as config_lib
from vae_jax.config.registries import NAMES
from vae_jax.errors import InputError
from vae_jax.evaluation import code_usage, divergence, health
from vae_jax.evaluation.per_image import PerImage
from vae_jax.models import against_dead_codes, model_params, num_parameters
from vae_jax.runs.checkpoint import Checkpoints, Which
from vae_jax.runs.loading import load_run
from vae_jax.runs.pair import PAIR
from vae_jax.runs.workdir import read_config
from vae_jax.system import disk
from vae_jax.system.console import Console
from vae_jax.system.versions import versions
from vae_jax.training.pairing import completed
from vae_jax.training.prepare import Training, prepare
from vae_jax.types import Params, TrainState

SPLITS = ("train", "val", "test")
GIVEN = "log p(x given y)"
"""The quantity that a conditional model's elbo is a bound on; y is the label."""
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Measured(NamedTuple):
    """A checkpoint, evaluated on every split."""

    state: TrainState
    step: int
    table: dict[str, dict[str, float]]
    """Split -> metric -> value."""
    facts: dict[str, Any]
    """The numbers, as `test/elbo`, and what they were measured on and with, for a JSON file."""
    lines: list[health.Line]
    """The quick lines of health, for a model with an elbo."""
    training: Training
    """The functions and data that they were measured with; for a density those of its pair."""
    more: tuple[str, ...] = ()
    """The lines that follow them."""


def measure(training: Training, checkpoints: Checkpoints, which: Which) -> Measured:
    """Evaluate the best or the latest checkpoint on train, val and test.

    Raises:
        InputError: there is no checkpoint.
    """
    restored = checkpoints.restore(training.state, which)
    if restored is None:
        raise InputError("the run has no checkpoint yet")
    fitting, (training, state) = health.make_fitting(training.config), completed(training, restored.state)
    table, elbos, of_test = {}, {}, None
    for name in SPLITS:
        # One split's per-image values are kept at a time; after the loop they are those of the test split.
        of_test = training.evaluate(state, training.key_eval, getattr(training.dataset, name), training.hparams)
        table[name] = of_test.metrics
        if PAIR in training.model.traits and training.model.rate is None:
            del table[name]["loss"]  # that of the autoencoder, not the loss of this run, which is -code_log_density
        elbos[name] = of_test.terms.get("elbo")
    facts: dict[str, Any] = {
        "pixels": training.pixels,
        "likelihood": training.config.likelihood,
        "likelihood_params": _scalars(state.params["likelihood"]),
        "num_parameters": num_parameters(model_params(state.params)),
        "num_images": {name: len(getattr(training.dataset, name).images) for name in SPLITS},
        "versions": versions(PACKAGES),
        "device": jax.devices()[0].device_kind,
        **({} if training.model.given is None else {"condition": training.config.condition}),
        **({} if training.model.given is None or training.model.rate is None else {"bounds_on": GIVEN}),
        **{f"{name}/{metric}": value for name in SPLITS for metric, value in table[name].items()},
    }
    prior = training.model.prior
    if of_test is None or prior is None or elbos["test"] is None:  # an autoencoder without an elbo
        return Measured(state, restored.step, table, facts, [], training)
    more, lines = _latent_space(of_test, prior.is_standard, training)
    gap = health.difference(elbos["train"], elbos["test"])
    lines = [fitting(line) for line in (*lines, health.gap_line(gap, float(elbos["test"].std())))]
    words = {name: {key: entry[key] for key in ("verdict", "text")} for name, entry in health.as_json(lines).items()}
    facts |= more | health.gap_facts(gap) | {"health": words}
    return Measured(state, restored.step, table, facts, lines, training)


def _scalars(params: Params) -> dict[str, float]:
    """Return the numbers of a likelihood's parameters, such as its logvar, without those of a network."""
    return {name: float(value) for name, value in params.items() if not isinstance(value, dict) and value.ndim == 0}


def _latent_space(test: PerImage, standard_prior: bool, training: Training) -> tuple[dict[str, Any], list[health.Line]]:
    """Return the numbers and the lines of health about z, or about discrete codes."""
    if test.usage is not None:
        about = test.usage, float(test.terms["kl"].mean(dtype=np.float64)), len(test.terms["kl"])
        return code_usage.facts(*about), [health.codes_used(*about, against_dead_codes(training.config))]
    assert test.means is not None
    assert test.aggregate is not None
    summary = health.summarize_latents(test.means, test.aggregate, standard_prior, test.labels)
    return health.facts(summary), health.quick(summary, training.model.pixel_mean is None)


def print_measured(training: Training, measured: Measured, which: str, console: Console) -> None:
    """Print the table of splits and metrics, and the lines about the latent space."""
    title = f"{which} checkpoint, epoch {measured.step / training.steps_per_epoch:g} "
    title += f"({training.pixels} pixels; nats per image, mse per element, psnr in dB)"
    if training.model.given is not None:
        title += ", given the label" + f": the elbo is a bound on {GIVEN}" * (training.model.rate is not None)
    rows = {metric: [measured.table[split][metric] for split in SPLITS] for metric in measured.table["test"]}
    if rows.get("loss") == [-elbo for elbo in rows.get("elbo", [])]:
        del rows["loss"]  # at beta = 1 it is the elbo with the other sign
    console.table(title, list(SPLITS), list(rows.items()))
    for line in measured.lines:
        console.line(line.text)
    if measured.lines:
        console.line(f"health: {health.overall(measured.lines).conclusion}")
    for text in measured.more:
        console.line(text)


def with_divergence(training: Training, measured: Measured) -> Measured:
    """Return the numbers with those of the test split's aggregate posterior, which takes seconds on 10,000 images."""
    model, config = training.model, training.config
    if model.rate is None:
        return measured
    params = model_params(measured.state.params)
    found = divergence.of_split(health.Subject(model, params, training.dataset, config.seed, config.binarize))
    if isinstance(found, str):
        text = f"{divergence.TITLE}: left out: {found}"
        return measured._replace(facts=measured.facts | {"aggregate_posterior": {"left_out": found}}, more=(text,))
    return measured._replace(facts=measured.facts | {"aggregate_posterior": found.facts}, more=tuple(found.lines))


def evaluate_run(
    workdir: Path, which: Which, folder: Path | None = None, slowly: bool = False
) -> tuple[Training, Measured, Path]:
    """Evaluate a checkpoint of a run on disk, and write the numbers to evaluation_WHICH.json in `folder` (workdir).

    `slowly` adds what `with_divergence` measures.

    Returns:
        (the run's functions and data, the numbers, the path of the file).

    Raises:
        InputError: not a run, one without an intact checkpoint, or a density whose codes are no longer in their run's folder.
    """
    run = load_run(workdir, which)
    training = prepare(config_lib.validate(read_config(workdir), NAMES), read_only=True)
    run.labels_of(training.dataset, "test")  # refuses other classes than those of the run
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        measured = measure(training, checkpoints, which)
    training = measured.training
    measured = with_divergence(training, measured) if slowly else measured
    epoch = measured.step / training.steps_per_epoch
    facts = {"which": which, "step": measured.step, "epoch": epoch} | measured.facts
    path = (folder or workdir) / f"evaluation_{which}.json"
    disk.write(path, json.dumps(facts, indent=2) + "\n")
    return training, measured, path


def at_latest(workdir: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of a finished run's last checkpoint, with `which` added, given those of results.json.

    They are the results themselves if the best checkpoint is the last, or are read from evaluation_latest.json, or else
    measured.
    """
    if results["best_epoch"] == results["epochs"]:
        return results | {"which": "latest"}
    try:
        values = json.loads((workdir / "evaluation_latest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = {}
    if values.get("step") != results["step"]:
        values = {"which": "latest", **evaluate_run(workdir, "latest")[1].facts}
    return results | values
