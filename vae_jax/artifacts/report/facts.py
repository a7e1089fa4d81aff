"""The words and numbers of a run's page, from its config, results, metrics and folder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.config import KEYS, flatten
from vae_jax.config.table import ENTRIES, chosen
from vae_jax.models import describe_latents, num_parameters
from vae_jax.runs.run import Run
from vae_jax.runs.writer import read_metrics
from vae_jax.system.formatting import format_value
from vae_jax.types import Config, Dataset

TITLED = ("prior", "quantizer", "objective", "network")
"""The choices whose titles are put around that of the model, in this order."""
SPLITS = ("train", "val", "test")


class Standing(NamedTuple):
    """The progress of a run."""

    complete: bool
    """True if it was evaluated and drawn at its last step."""
    epochs: float
    """The epochs trained, from the last row of its metrics."""
    text: str
    """The progress as text."""


WIDTHS = ("hidden_dims", "channels")
"""The keys that give the sizes of a network's layers."""


def title(config: Config) -> str:
    """Return a title such as `Convolutional denoising autoencoder on mnist`."""
    return f"{model_title(config)} on {data_name(config)}"


def model_title(config: Config) -> str:
    """Return a title such as `Convolutional denoising autoencoder`, of the titles of the chosen entries."""
    names = dict(chosen(flatten(config)))
    name = ENTRIES["model", config.model].title or config.model
    for by in TITLED:
        name = _inserted(ENTRIES[by, names[by]].title if by in names else "", name)
    return _inserted("Conditional {}" if config.condition != "none" else "", name)


def _inserted(own: str, name: str) -> str:
    """Return a title with the title so far in it: "Variational autoencoder" is written small there, and "FactorVAE" is not."""
    small = name if name.split()[0][1:].lower() != name.split()[0][1:] else name[0].lower() + name[1:]
    return own.replace("{}", small) if own else name


def run_name(run: Run, workdir: Path) -> str:
    """Return the name of the run's folder; of a pair also what it is, with the name of its first run."""
    name = workdir.resolve().name
    if run.joined is None:
        return name
    return f"{name}: a prior of the codes of {Path(run.joined.config.data_dir).name or 'its first run'}"


def data_name(config: Config) -> str:
    """Return the name of the data set, or of the folder or file of a person's own images or codes."""
    own = config.train_dir or config.data_dir if config.dataset in ("folder", "arrays", "codes") else ""
    return Path(own).name or config.dataset


def standing(workdir: Path, config: Config, results: Mapping[str, Any]) -> Standing:
    """Return the progress of the run in workdir; its numbers are those of `results`."""
    rows = read_metrics(workdir)
    epochs = float(rows[-1]["epoch"]) if rows else 0.0
    if results and (not rows or rows[-1]["step"] <= results["step"]):
        best = f", best by validation: epoch {results['best_epoch']:g}"
        return Standing(True, results["epochs"], f"complete: {results['epochs']:g} epochs{best}")
    text = f"not complete: {epochs:g} of {config.num_epochs} epochs; the page shows what is there"
    return Standing(False, epochs, text)


def header(
    run: Run, dataset: Dataset, workdir: Path, stands: Standing, results: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return (name, text) rows: the model, the data, the time and the versions of a training."""
    config = run.config
    (layers,) = (config[key.name] for key in ENTRIES["network", config.network].keys if key.name in WIDTHS)
    sizes = "-".join(map(str, layers)) or "linear"
    counts = " / ".join(f"{len(getattr(dataset, split).images):,}" for split in SPLITS)
    versions = results.get("versions", {})
    levels = "grey" if run.shape[2] == 1 else "colour"
    pixels = {"none": levels, "static_seeded": "once binarised, by seed,", "dynamic": "at every step newly binarised"}
    facts = [
        ("Model", f"{config.model}, {config.network} {sizes}, {describe_latents(run.model, config)}, "
                  f"{num_parameters(run.params):,} parameters, {config.likelihood} likelihood"),
        ("Data", f"{config.dataset}, {' x '.join(map(str, run.shape))}, {pixels[config.binarize]} pixels; "
                 f"train / validation / test {counts}"),
        ("Training", f"{stands.text}; objective {config.objective}, seed {config.seed}"),
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


def written(value: Any) -> str:
    """Return a config value as a command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) and value else str(value)


def changed(config: Config) -> dict[str, Any]:
    """Return the keys that differ from their defaults, and their values."""
    flat = flatten(config)
    return {key.name: flat[key.name] for key in KEYS if flat[key.name] != key.default}


def config_rows(config: Config) -> list[dict[str, Any]]:
    """Return every key as {name, value, default, changed, meaning}."""
    flat, differs = flatten(config), changed(config)
    return [
        {
            "name": key.name,
            "value": shown(flat[key.name]),
            "default": shown(key.default),
            "changed": key.name in differs,
            "meaning": key.meaning + (f" [{key.unit}]" if key.unit else ""),
        }
        for key in KEYS
    ]


def shown(value: Any) -> str:
    """Return a config value as text for a table."""
    return "(empty)" if value in ("", ()) else written(value)


def result_table(workdir: Path, results: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return (splits, rows of metric and texts) of the best checkpoint, or from the last rows of an incomplete run."""
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
