"""One small run of every entry of every registry: python -m experiments.reproduce.entries [--row="prior flow"] [--output=DIR]

Each entry is trained on the digits by the command that its page of the documentation shows, in a directory of its own below
--output, or resumed there. The table, and a picture for each entry, are made of the finished runs of that directory.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.reproduce.pictures import rows_of_images
from vae_jax import data, train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.config.registries import REGISTRIES
from vae_jax.data.preprocess import unit
from vae_jax.errors import one_of
from vae_jax.runs.loading import load_run
from vae_jax.system import disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console

VQ = "--config=vq_vae --config.dataset=digits --config.val_fraction=0.1 --config.channels=32,64 --config.num_epochs=50"
FLAGS = {
    "likelihood gaussian": "--config=vae --config.likelihood=gaussian --config.gaussian.sigma_mode=optimal",
    "model ae": "--config=ae",
    "model categorical": "--config=vae --config.model=categorical --config.latent_dim=10",
    "model density": "--config=density --config.data_dir=model-vae",
    "model quantized": VQ,
    "prior pixelcnn": "--config=code_prior --config.data_dir=model-quantized --config.num_epochs=50",
    "prior sphere": "--config=vae --config.posterior=power_spherical --config.prior=sphere",
    "objective denoising": "--config=dae",
    "objective reconstruction": "--config=ae",
}
"""Entry -> the flags of its run, where they are not those of `flags_of`; a data_dir is the directory of another entry."""
COLUMNS = ("entry", "epochs", "test elbo", "test kl", "test mse_mean", "parameters", "flags")
SHOWN = 10
"""The number of images in a row of a picture."""


def entries() -> list[str]:
    """Return the names of all rows, such as "prior flow", in the order in which they can be trained."""
    names = [f"{registry} {name}" for registry, of in REGISTRIES.items() for name in of]
    return sorted(names, key=lambda name: "data_dir" in flags_of(name))


def flags_of(name: str) -> str:
    """Return the flags of an entry's run: a VAE with two latent dimensions that chooses it, if nothing else is known."""
    registry, entry = name.split(" ")
    base = VQ if registry == "quantizer" else "--config=vae"
    return FLAGS.get(name, f"{base} --config.{registry}={entry}")


def train_entry(name: str, output: Path, console: Console) -> None:
    """Train the run of an entry, or resume it."""
    words = [word.removeprefix("--config").removeprefix(".").partition("=") for word in shlex.split(flags_of(name))]
    changes = [(key, str(output / value) if key == "data_dir" else value) for key, _, value in words if key]
    config = command_line.read_file(f"{record.ROOT.parent}/configs/{words[0][2]}.py", tuple(changes))
    train.train_and_evaluate(config, output / name.replace(" ", "-"), console)


def row_of(name: str, workdir: Path) -> list[Any]:
    """Return the cells of a finished run."""
    results = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    texts = {"elbo": ".2f", "kl": ".2f", "mse_mean": ".5f"}
    found = {key: results.get(f"test/{key}") for key in texts}
    cells = ["" if found[key] is None else format(found[key], how) for key, how in texts.items()]
    return [name, f"{results['epochs']:g}", *cells, f"{results['num_parameters']:,}", f"`{flags_of(name)}`"]


def picture_of(name: str, workdir: Path) -> bytes:
    """Draw test images, their reconstructions, and samples if there is a prior."""
    run = load_run(workdir)
    # The data of a density are codes; the images are those of the first run.
    first = load_run(run.config.data_dir) if run.config.dataset == "codes" else run
    images = data.load(first.config).test.images[:SHOWN]
    seen = run.corrupt(images) if run.corrupts else images
    rows = {"test images": np.asarray(unit(images))}
    rows |= {"corrupted": seen.clip(0, 1)} if run.corrupts else {}
    rows["reconstructions"] = run.reconstruct(seen)
    rows |= {} if run.model.prior is None else {"samples": run.sample(SHOWN)}
    return rows_of_images(rows, name)


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--row", default="all", metavar="ROW", help='an entry, such as "prior flow" (all)')
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/entries"), metavar="DIR", help="(runs/entries)"
    )
    flags, console = parser.parse_args(argv), Console()
    if flags.row != "all":
        one_of("--row", flags.row, [*entries(), "all"])
    for name in entries() if flags.row == "all" else [flags.row]:
        train_entry(name, flags.output, console)
    done = {name: flags.output / name.replace(" ", "-") for name in entries()}
    done = {name: workdir for name, workdir in done.items() if (workdir / "results.json").is_file()}
    pictures = disk.make_folder("results", record.ROOT / "reproduce" / "results" / "entries")
    for name, workdir in done.items():
        disk.write(pictures / f"{workdir.name}.png", picture_of(name, workdir))
    record.save(
        "entries",
        "python -m experiments.reproduce.entries",
        "Every entry of every registry, a small run on the digits",
        COLUMNS,
        [row_of(name, workdir) for name, workdir in sorted(done.items())],
        (
            "One seed (0), the embedded digits; nats per image of the test images, at the best epoch by the validation metric. "
            "The rows show that an entry works and at what size; they rank nothing. The elbo of different likelihoods, or of "
            "codes, cannot be compared.",
        ),
        folder="reproduce",
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
