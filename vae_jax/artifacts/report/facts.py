"""What a page says of a run in words and numbers: from its config, its results, its metrics and its folder."""

import json
import math
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax import config as config_lib
from vae_jax.config import KEYS, flatten
from vae_jax.models import num_parameters
from vae_jax.runs.run import Run
from vae_jax.runs.writer import history, read_metrics
from vae_jax.system.console import format_value
from vae_jax.types import Config, Dataset

FAMILIES = {"ae": "Autoencoder", "two_layer": "Two-layer VAE", "vae": "Variational autoencoder"}
CURVES = ("loss", "reconstruction", "kl", "elbo", "mse")
UNITS = {"mse": "per pixel, range [0, 1]", "mse_mean": "per pixel, range [0, 1]", "active_units": "units"}
SPLITS = ("train", "val", "test")


class Standing(NamedTuple):
    """How far a run has come."""

    complete: bool
    """Whether it was evaluated and drawn at its last step."""
    epochs: float
    """Trained, by the last row of its metrics."""
    told: str
    """In words."""


def title(config: Config) -> str:
    """`Convolutional denoising autoencoder on mnist`."""
    name = str(FAMILIES.get(config.model, config.model))
    if config.objective == "denoising":
        name = f"Denoising {name[0].lower()}{name[1:]}"
    if config.objective == "importance":
        name = "Importance-weighted autoencoder"
    if config.network == "conv":
        name = f"Convolutional {name[0].lower()}{name[1:]}"
    return f"{name} on {_data_name(config)}"


def _data_name(config: Config) -> str:
    """The data set's; of a person's own images that of their folder or file."""
    own = config.train_dir or config.data_dir if config.dataset in ("folder", "arrays") else ""
    return Path(own).name or config.dataset


def standing(workdir: Path, config: Config, results: Mapping[str, Any]) -> Standing:
    """How far the run in workdir has come; its numbers are those of `results`."""
    rows = read_metrics(workdir)
    epochs = float(rows[-1]["epoch"]) if rows else 0.0
    if results and (not rows or rows[-1]["step"] <= results["step"]):
        best = f", best by validation: epoch {results['best_epoch']:g}"
        return Standing(True, results["epochs"], f"complete: {results['epochs']:g} epochs{best}")
    told = f"not complete: {epochs:g} of {config.num_epochs} epochs; the page shows what is there"
    return Standing(False, epochs, told)


def header(
    run: Run, dataset: Dataset, workdir: Path, stands: Standing, results: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """(name, text) of what was trained on what, when, by what."""
    config = run.config
    layers = config.hidden_dims if config.network == "mlp" else config.channels
    sizes = "-".join(map(str, layers)) or "linear"
    counts = " / ".join(f"{len(getattr(dataset, split).images):,}" for split in SPLITS)
    versions = results.get("versions", {})
    levels = "grey" if run.shape[2] == 1 else "colour"
    pixels = {"none": levels, "static_seeded": "once binarised, by seed,", "dynamic": "at every step newly binarised"}
    facts = [
        ("Model", f"{config.model}, {config.network} {sizes}, latent {config.latent_dim}, "
                  f"{num_parameters(run.params):,} parameters, {config.likelihood} likelihood"),
        ("Data", f"{config.dataset}, {' x '.join(map(str, run.shape))}, {pixels[config.binarize]} pixels; "
                 f"train / validation / test {counts}"),
        ("Training", f"{stands.told}; objective {config.objective}, seed {config.seed}"),
        ("Shown", f"the checkpoint of step {run.step:,}{_saved_at(workdir, run.step)}"),
    ]  # fmt: skip
    if versions:
        device = f"on {results['device']}, " if "device" in results else ""
        facts.append(("Evaluated", device + ", ".join(f"{name} {number}" for name, number in versions.items())))
    return facts


def _saved_at(workdir: Path, step: int) -> str:
    try:
        moment = (workdir / "checkpoints" / str(step)).stat().st_mtime
    except OSError:
        return ""
    return f", saved {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def reproduce_command(config: Config) -> str:
    """What to type to train the same run again: the defaults, and every key that differs from them."""
    flags = [f"--config.{name}={_written(value)}" for name, value in changed(config).items()]
    return shlex.join(["python", "-m", "vae_jax.main", "--config=configs/base.py", *flags])


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) and value else str(value)


def changed(config: Config) -> dict[str, Any]:
    """Keys that are not at their default, and their values."""
    flat = flatten(config)
    return {key.name: flat[key.name] for key in KEYS if flat[key.name] != key.default}


def config_rows(config: Config) -> list[dict[str, Any]]:
    """Every key: {name, value, default, changed, meaning}."""
    flat, differs = flatten(config), changed(config)
    return [
        {
            "name": key.name,
            "value": shown(flat[key.name]),
            "default": shown(key.default),
            "changed": key.name in differs,
            "meaning": key.meaning + (f" [{key.unit}]" if key.unit else ""),
        }
        for key in config_lib.KEYS
    ]


def shown(value: Any) -> str:
    """A config value as a table has it."""
    return "(empty)" if value in ("", ()) else _written(value)


def result_table(workdir: Path, results: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """(splits, rows of metric and texts): of the best checkpoint; of an incomplete run what its last rows say."""
    known = {name: value for name, value in results.items() if "/" in name}
    if not known:
        for row in read_metrics(workdir):
            known |= {name: value for name, value in row.items() if "/" in name}
    splits = [split for split in SPLITS if any(name.startswith(f"{split}/") for name in known)]
    names = list(
        dict.fromkeys(name.partition("/")[2] for split in SPLITS[::-1] for name in known if name.startswith(split))
    )
    rows = []
    for name in names:
        values = [known.get(f"{split}/{name}") for split in splits]
        rows.append((name, [format_value(name, value) for value in values]))
    return splits, rows


def unit(name: str) -> str:
    """Of a metric."""
    return UNITS.get(name, "bits" if name == "bits_per_dim" else "nats per image")


def curves(workdir: Path) -> list[dict[str, Any]]:
    """For each metric that training logs: {name, unit, series: [{name, epochs, values}]}; null for what was not finite."""
    series = history(read_metrics(workdir))
    found = []
    for name in CURVES:
        lines = [
            {"name": label, "epochs": series[key][0].tolist(), "values": _finite(series[key][1])}
            for label, key in (("train", f"train/{name}"), ("validation", f"val/{name}"))
            if key in series
        ]
        if lines:
            found.append({"name": name, "unit": unit(name), "series": lines})
    return found


def _finite(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def health(workdir: Path) -> dict[str, Any] | None:
    """What `experiments.health` wrote: {which, step, verdict, lines: [{name, verdict, text}]}; None where it was not run."""
    try:
        found = json.loads((workdir / "health.json").read_text(encoding="utf-8"))
        overall = found["verdict"]
        lines = [_line(name, value) for name, value in found.items() if isinstance(value, dict) and name != "verdict"]
        return {"which": found["which"], "step": found["step"], **_line("verdict", overall), "lines": lines}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _line(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    """A health line's parts: its text begins with its name and ends with ` -> verdict: detail; try advice`."""
    told = str(value["text"]).removeprefix(name).strip()
    found, _, reason = told.partition("-> ")
    reason = reason.removeprefix(str(value["verdict"])).removeprefix(":").removeprefix(";").strip()
    return {"name": name, "verdict": str(value["verdict"]), "found": found.strip(), "reason": reason}
