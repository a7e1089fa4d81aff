"""Estimate log p(x) of a run's images: `vae-jax nll --workdir=RUN [--samples=5000] [--method=ais] [--against=RUN]`

Importance sampling from the run's own posterior: the log of the mean of S weights, on average a lower bound on log p(x). Prints
the mean with its Monte Carlo error and its error over images, the bound against S, and how far the estimate can be trusted.
Writes nll.npz (a row per image) and nll.json. The noise of an image depends only on --seed and the image's position. If the
command is stopped or killed, the same command resumes from nll.partial.npz, with the same bits; once finished, it only prints.
The last measurement of each split and checkpoint is kept: nll_val.npz, nll_latest.npz, ...

--method=ais is annealed importance sampling: Hamiltonian Monte Carlo leads --samples chains per image (16) from the prior to the
posterior in --temperatures steps and needs no encoder. It too is a lower bound on average, and much slower: a CPU can measure
some hundred images (--images). It writes nll_ais.npz.

--against=OTHER_RUN adds the mean difference per image to another run that was measured on the same images.
"""

from typing import Any

from vae_jax.commands import arguments
from vae_jax.evaluation import nll
from vae_jax.models import require_rate
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.loading import load_run
from vae_jax.system import devices, signals
from vae_jax.system.console import Console

STOP_MESSAGE = "stopped; the same command resumes"


def read_flags(argv: list[str]) -> Any:
    """Parse the command line; `samples` and `temperatures` get the defaults of the method."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output()
    parser.add_argument("--samples", type=arguments.count, metavar="S", help="weights per image (5000; ais: 16)")
    parser.add_argument("--method", choices=[*nll.METHODS], default="importance", help="how to sample (importance)")
    parser.add_argument("--temperatures", type=arguments.count, metavar="T", help="steps of annealing (ais: 1000)")
    parser.add_argument("--split", choices=["test", "val", "train"], default="test", help="the images (test)")
    parser.add_argument("--images", type=arguments.count, default=0, metavar="N", help="the first N of them (all)")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="the seed of the samples (0)")
    parser.add_argument("--against", type=arguments.path, metavar="OTHER_RUN", help="a run to compare with")
    flags = parser.parse_args(argv)
    annealed = flags.method == "ais"
    if flags.temperatures and not annealed:
        parser.error(f"--temperatures={flags.temperatures}: --method={flags.method} has none; choices: --method=ais")
    flags.samples = flags.samples or (16 if annealed else 5000)
    flags.temperatures = (flags.temperatures or 1000) if annealed else 0
    return flags


def main(argv: list[str]) -> None:
    """Run the command."""
    flags, console = read_flags(argv), Console()
    request = nll.Request(*(getattr(flags, name) for name in nll.Request._fields))
    with signals.leaving(STOP_MESSAGE):
        devices.keep_memory(workdir_lib.read_config(flags.workdir))
        run = load_run(flags.workdir, flags.which)
        require_rate(run.model, run.config.model)
        nll.assert_measurable(run, request.method)
        folder = arguments.output_folder(flags)
        path, record, other = nll.measure_run(run, folder, request, flags.against, console, STOP_MESSAGE)
        report = nll.print_record(record, console)
        if other is not None:
            report["against"] = nll.print_comparison(record, other, flags.against, console)
        nll.write_report(path, report, console)
