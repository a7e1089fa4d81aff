"""Train a run for each value of a key: `vae-jax sweep --config=FILE --over=latent_dim=2,100,200 [--seeds=0,1,2]`

If --over is given more than once, every combination is trained; keys that change together are written
--over=latent_dim:num_epochs=2:50,100:100. --config.KEY=VALUE holds for all runs. Every run has its own directory in --output,
named as vae_jax.main names it, so the same command resumes where it stopped and finished runs are not repeated. A run that
fails is reported, the others continue, and the exit code is 1.

Runs that differ only in seed, beta, learning_rate or num_epochs can be trained as one program (--population): they take each
step together, spread over the devices if their number allows. Each run equals the same run trained alone up to rounding, in
its own directory. This is meant for an accelerator, which one small run does not fill; on a CPU runs are trained in turn.

--launcher=ray trains each run, or population, as a task of a Ray cluster, --launcher=slurm as a job of SLURM; both need a folder
--output that every machine has. A run whose machine is lost is trained again from its last checkpoint. After Ctrl-C, Ray's tasks
are cancelled and SLURM's jobs stay in the queue; the same command continues.

--search=optuna --trials=N trains N trials instead of every combination, each at a point that those before it suggest. Then --over
also takes ranges: --over=latent_dim=2..64, --over=learning_rate=1e-4..1e-2:log; the values of a list are choices. A trial whose
validation curve is below the median of those before it ends early. The table has the best trials, trials.csv all of them. With
--launcher=ray|slurm and --parallel=N, N trials are suggested and trained together.

At the end: a table (mean and standard error over seeds), sweep.csv, and the figures sweep.png and images.png, all of each run's
best checkpoint. If beta is swept they are of the last checkpoint, and rate_distortion.png shows kl against reconstruction.
compare.html shows the best checkpoints of all runs on one page.
"""

import shlex
from pathlib import Path
from typing import Any

from vae_jax import sweeps
from vae_jax.commands.sweep_flags import read_flags
from vae_jax.config import command_line
from vae_jax.sweeps import search as searching
from vae_jax.sweeps.launchers import Sweep
from vae_jax.sweeps.report import write_report
from vae_jax.sweeps.results import finished
from vae_jax.system import disk, signals, trackers
from vae_jax.system.console import Console


def main(argv: list[str]) -> int:
    """Run the command; the exit code is 1 if a run failed."""
    flags, console = read_flags(argv, __doc__), Console()
    stop_message = f"stopped; resume with: vae-jax sweep {shlex.join(argv)}"
    name, output = Path(flags.config).stem, flags.output

    def read(point: sweeps.Point) -> Any:
        # Films are for single runs: a run that records one cannot be trained together with others.
        given = (("log.latent_every_steps", "0"), *flags.overrides, *point)
        config = command_line.read_file(flags.config, given, console.line)
        trackers.assert_installed(config.log.tracker)
        return config

    with signals.leaving(stop_message):
        if flags.space:
            disk.make_folder("--output", output)
            sweep = Sweep([], "off", output, console, stop_message, flags.of_launcher)
            given = searching.Search(
                flags.space, flags.trials, flags.seeds, read, name, flags.launch.launch, sweep, flags.parallel
            )
            return int(not searching.write(*searching.search(given), len(flags.seeds), console))
        runs = sweeps.plan(flags.points, flags.seeds, read, name, output)
        disk.make_folder("--output", output)
        last = sweeps.over_beta(flags.points)
        sweep = Sweep(runs, flags.population, output, console, stop_message, flags.of_launcher)
        done = finished(runs, dict(flags.launch.launch(sweep)), last)
        if done:
            write_report(runs, done, last, output / sweeps.folder_name(runs, name), console)
    return int(len(done) < len(runs))
