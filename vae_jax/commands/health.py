"""Examine a trained run: `vae-jax health --workdir=RUN [--which=best|latest]`

Prints a line for each thing that can be wrong with a VAE, with a verdict (collapsed, over-regularised, overfitting, prior hole,
healthy, undecided) and advice; then what the codes are good for, and one verdict for all. The numbers are written to health.json.
Only posteriors of single images and small classifiers are trained. The report first says how long it will take: some 20 s for the
digits. Fewer --num_refined and --num_images take less. Discrete codes have two lines.
"""

import json
import time
from collections.abc import Callable, Iterable

from vae_jax import data
from vae_jax.commands import arguments
from vae_jax.evaluation import health, nll
from vae_jax.models import against_dead_codes, family_name
from vae_jax.runs.loading import load_run
from vae_jax.runs.workdir import read_config
from vae_jax.system import disk, signals
from vae_jax.system.console import ERASE_LINE, Console
from vae_jax.system.formatting import about_seconds, format_seconds

TRUSTED_SHARE = 0.1  # the finished share of the work from which on the time left follows from the elapsed time


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output()
    parser.add_argument("--num_images", type=arguments.count, default=10_000, help="most images per split (10,000)")
    parser.add_argument("--num_refined", type=arguments.count, default=500, help="images to refine posteriors of (500)")
    parser.add_argument("--steps", type=arguments.count, default=300, help="steps of a refinement (300)")
    parser.add_argument("--temperatures", type=arguments.count, default=400, help="steps of annealing 100 images (400)")
    flags = parser.parse_args(argv)
    console, run = Console(), load_run(flags.workdir, flags.which)
    health.require_examinable(run.model, family_name(run.config))
    path = arguments.output_folder(flags) / "health.json"
    kind, config = nll.kind_of(run), run.config
    dataset, fit = data.load(config), health.make_fitting(read_config(flags.workdir))
    run.labels_of(dataset, "test")  # refuses other classes than those of the run
    about = config.seed, config.binarize, nll.prefix(kind), against_dead_codes(config)
    subject = health.Subject(run.model, run.params, dataset, *about)
    kinds = f"step {run.step:,}; {kind['pixels']} pixels, {config.likelihood}; nats per image"
    console.line(f"{flags.workdir}, {flags.which} checkpoint, {kinds}")
    if run.model.given is not None:
        console.line("the run is conditional: log p(x) below is log p(x given y), y the label")
    if caveat := nll.caveat(kind):
        console.line(f"log p(x) below: {caveat}")
    effort, anneal = health.Effort(steps=flags.steps), health.Anneal(num_temperatures=flags.temperatures)
    extent = health.Extent(flags.num_images, flags.num_refined, effort, anneal)
    with signals.leaving(f"{ERASE_LINE if console.interactive else ''}stopped; nothing was written"), console:
        lines = _print_lines(lambda *say: map(fit, health.examine(subject, extent, *say)), console)
    facts = {name: getattr(flags, name) for name in ("which", "num_images", "num_refined", "steps", "temperatures")}
    facts |= {"starts": effort.starts, "chains": anneal.num_chains, "leapfrog_steps": anneal.num_leapfrog}
    facts |= {"step": run.step, "seed": config.seed, "dataset": config.dataset, **kind}
    disk.write(path, json.dumps(facts | health.as_json(lines), indent=2) + "\n")
    console.line(f"\nwritten to {path}; done in {format_seconds(console.seconds)}")


def _print_lines(examine: Callable[..., Iterable[health.Line]], console: Console) -> list[health.Line]:
    """Print the estimated time, the lines as they are measured, with a bar below them on a terminal, and the verdict."""
    lines, started, estimated = [], time.monotonic(), 0.0

    def begin(seconds: float) -> None:
        nonlocal estimated
        estimated = seconds
        console.line(f"this takes about {about_seconds(seconds)}\n")

    def progress(part: str, share: float) -> None:
        elapsed = time.monotonic() - started
        left = elapsed * (1 - share) / share if share > TRUSTED_SHARE else estimated * (1 - share)
        console.work(f"{part}, {about_seconds(left)} left", share)

    for line in examine(begin, progress):
        console.line(line.text)
        lines.append(line)
    console.stop()
    console.line("\n{0.name}: {0.conclusion}".format(health.overall(lines)))
    return lines
