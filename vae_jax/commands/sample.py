"""Draw images from a run's prior: `vae-jax sample --workdir=RUN --num=64 --output=DIR [--seed=0] [--label=3]`

Writes DIR/sample_0000.png, ... at the images' own size, and DIR/grid.png with the first 1,024 of them. With the same seed, a
smaller --num gives the first images of a larger one. A DIR with more samples than --num is refused.
"""

from vae_jax.commands import arguments
from vae_jax.errors import InputError
from vae_jax.runs.loading import load_run
from vae_jax.system import disk
from vae_jax.system.console import Console

MOST_IN_GRID = 1024


def main(argv: list[str]) -> None:
    """Run the command."""
    from vae_jax.artifacts import figures

    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_argument("--num", type=arguments.count, default=64, help="the number of images (64)")
    parser.add_argument("--output", type=arguments.path, required=True, metavar="DIR", help="the folder to write to")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="the seed of the draws (0)")
    parser.add_argument("--label", metavar="CLASS", help="the class, by name or number, for a conditional run")
    flags = parser.parse_args(argv)
    run = load_run(flags.workdir, flags.which)
    images = run.sample(flags.num, flags.seed, flags.label)
    folder = disk.make_folder("--output", flags.output)
    more = sorted(path.name for path in folder.glob("sample_*.png"))[flags.num :]
    if more:
        raise InputError(f"--output={folder}: has {more[0]} and more of another command; choices: a new folder")
    for i, image in enumerate(images):
        disk.write(folder / f"sample_{i:04}.png", figures.image_png(image))
    grid = figures.fig_samples(images[:MOST_IN_GRID])
    disk.write(folder / "grid.png", figures.png_bytes(grid))
    Console().line(f"{flags.num} images of {' x '.join(map(str, run.shape))} and grid.png in {folder}")
