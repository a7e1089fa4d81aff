"""Examine a trained run: python -m experiments.health --workdir=RUN [--which=best|latest]

Prints a line for each thing that can be wrong with a VAE, each with a verdict (collapsed, over-regularised, overfitting, prior
hole, healthy, cannot tell) and what to try, then what the codes are good for, then one verdict over all; writes the numbers to
RUN/health.json. Nothing is trained but the posteriors of single images and small classifiers.
"""

import json
import sys

from vae_jax import data
from vae_jax.commands import arguments
from vae_jax.errors import InputError
from vae_jax.evaluation import health, nll
from vae_jax.runs.run import load_run
from vae_jax.system import disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=arguments.path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    parser.add_argument(
        "--num_images", type=arguments.count, default=10_000, help="most images of a split that are coded (10,000)"
    )
    parser.add_argument(
        "--num_refined", type=arguments.count, default=500, help="of these, images whose posteriors are refined (500)"
    )
    parser.add_argument("--steps", type=arguments.count, default=300, help="steps in which they are refined (300)")
    parser.add_argument(
        "--temperatures", type=arguments.count, default=400, help="in which 100 of the test images are annealed (400)"
    )
    flags = parser.parse_args(argv)
    run, console = load_run(flags.workdir, flags.which), Console()
    if run.model.log_prior is None:
        raise InputError(
            f"model={run.config.model}: has no prior, which every line of the report is about; choices: a variational model, "
            "as vae"
        )
    path = disk.make_folder("--workdir", flags.workdir) / "health.json"
    kind, config = nll.kind_of(run), run.config
    subject = health.Subject(
        run.model, run.params, data.load(config), config.seed, config.binarize, prefix=nll.prefix(kind)
    )
    console.line(
        f"{flags.workdir}, {flags.which} checkpoint, step {run.step:,}; {kind['pixels']} pixels, {config.likelihood}; nats per "
        "image"
    )
    if caveat := nll.caveat(kind):
        console.line(f"log p(x) below: {caveat}")
    found = []
    effort, anneal = health.Effort(steps=flags.steps), health.Anneal(num_temperatures=flags.temperatures)
    extent = health.Extent(flags.num_images, flags.num_refined, effort, anneal)
    for line in health.examine(subject, extent, progress=_progress):
        console.line(line.text)
        found.append(line)
    verdict = health.overall(found)
    console.line(f"\n{verdict.name}: {verdict.conclusion}")
    asked = ("which", "num_images", "num_refined", "steps", "temperatures")
    facts = {name: getattr(flags, name) for name in asked} | {"step": run.step, "seed": config.seed}
    facts |= {"dataset": config.dataset, **kind}
    report = facts | {"verdict": verdict.as_json()} | {line.name: line.as_json() for line in found}
    disk.write(path, json.dumps(report, indent=2) + "\n")
    console.line(f"\nwritten to {path}")


def _progress(text: str) -> None:
    """For a person who waits; not for a file."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
