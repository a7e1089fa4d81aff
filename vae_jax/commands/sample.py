"""Draw images from a run's prior: python -m experiments.sample --workdir=RUN --num=64 --output=DIR [--seed=0]

Writes DIR/sample_0000.png, ... at the images' own size, and DIR/grid.png with the first 1,024 of them. The first of many
samples are those of a smaller --num.
"""

import sys

from vae_jax.commands import arguments
from vae_jax.runs.run import load_run
from vae_jax.system import disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console

MOST_IN_GRID = 1024


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    from vae_jax.artifacts import figures

    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=arguments.path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--num", type=arguments.count, default=64, help="how many (64)")
    parser.add_argument("--output", type=arguments.path, required=True, metavar="DIR", help="where to")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="of the draws (0)")
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    flags = parser.parse_args(argv)

    run = load_run(flags.workdir, flags.which)
    images = run.sample(flags.num, flags.seed)
    folder = disk.make_folder("--output", flags.output)
    for i, image in enumerate(images):
        disk.write(folder / f"sample_{i:04}.png", figures.image_png(image))
    grid = figures.fig_samples(images[:MOST_IN_GRID])
    disk.write(folder / "grid.png", figures.png_bytes(grid))
    Console().line(f"{flags.num} images of {' x '.join(map(str, run.shape))} and grid.png in {folder}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
