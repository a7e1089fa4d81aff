"""Encode all images of a finished run: `vae-jax codes --workdir=RUN [--output=DIR]`

Writes codes.npz: for each of the splits train, val and test an array such as train_codes [N, h, w, C] and its train_labels [N].
Discrete codes are whole numbers from 0, at each place of the grid. Gaussian posteriors are their means, and behind them their log
variances; the codes of an autoencoder are the numbers themselves. In numpy:
numpy.load("codes.npz")["test_codes"]. A density (model=density) is refused: its codes are those of its first run.
"""

from vae_jax.commands import arguments
from vae_jax.data import codes as file
from vae_jax.evaluation.codes import kind_of, write_codes
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output()
    flags = parser.parse_args(argv)
    run = load_run(flags.workdir, flags.which)
    kind_of(run)  # refuses a run without codes before a folder is made
    path, about = write_codes(run, arguments.output_folder(flags))
    splits = file.read(path)[1]
    sizes = "/".join(f"{len(rows.labels):,}" for rows in splits.values())
    height, width, channels = splits["test"].codes.shape[1:]
    each = {
        "indices": f"{channels} from 0 to {about.num_codes - 1}",
        "latents": f"{channels // 2} means and log variances",
        "points": f"{channels} numbers",
    }[about.kind]
    Console().line(f"{path}: {about.kind}, {each} at each of {height} x {width} places, train/val/test {sizes}")
