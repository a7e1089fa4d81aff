"""Draw a trained run: `vae-jax visualize --workdir=RUN [--only=tsne,walk] [--numbers=3,7 | --images=12,95]`

Draws every figure that fits the model into RUN/figures, or only those that --only names. Nothing is trained.
"""

from vae_jax import data
from vae_jax.artifacts import arrays, draw
from vae_jax.commands import arguments
from vae_jax.errors import InputError, one_of
from vae_jax.runs import left_out
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console


def main(argv: list[str]) -> int:
    """Run the command; the exit code is 1 if a figure failed."""
    from vae_jax.artifacts.figures import FIGURES

    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_argument("--only", default="", metavar="NAME,NAME", help=f"figures: {', '.join(FIGURES)} (all that fit)")
    parser.add_output("RUN/figures")
    parser.add_argument("--points", type=arguments.count, default=2500, help="at most this many images in t-SNE (2500)")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument(
        "--numbers", type=arguments.names, metavar="A,B", help="two classes, by name or number, the ends of the walk"
    )
    ends.add_argument("--images", type=arguments.pair, metavar="I,J", help="two test images, the ends of the walk")
    flags = parser.parse_args(argv)
    only = [one_of("--only", name.strip(), FIGURES) for name in flags.only.split(",") if name.strip()]
    run, console = load_run(flags.workdir, flags.which), Console()
    folder = arguments.output_folder(flags, "figures")
    request = arrays.Request(flags.numbers, flags.images, flags.points)
    source = draw.make_source(run, data.load(run.config), flags.workdir, request, console.line)
    refused, failed = [], {}
    for drawn in draw.write_figures(source, only or FIGURES, folder):
        for path in drawn.paths:
            console.line(str(path))
        if drawn.error is not None:
            failed[drawn.name] = drawn.error
        if drawn.lacks:
            refused.append(f"{drawn.name}: does not fit this run, it needs {drawn.lacks}")
    left_out.write_failed(failed, folder, console.line)
    if only and refused:
        raise InputError("\n".join(f"--only={line}" for line in refused))
    for line in refused:
        console.line(f"skipped: {line}")
    return int(bool(failed))
