"""The end of a run: its best checkpoint evaluated on every split, results.json, then figures and page, each guarded."""

import json
import shlex
from pathlib import Path
from typing import Any

import jax

from vae_jax.models import model_params
from vae_jax.runs import left_out
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.system import disk, processes
from vae_jax.system.formatting import format_seconds
from vae_jax.training.measure import measure, print_measured
from vae_jax.training.pairing import trained_run
from vae_jax.training.prepare import Training
from vae_jax.training.session import Session


def results_at(workdir: Path, step: int) -> dict[str, Any] | None:
    """Return the content of results.json if the run was concluded at this step, its page included, else None."""
    values = workdir_lib.read_results(workdir)
    return values if values.get("step") == step and (workdir / workdir_lib.PAGE).is_file() else None


def conclude(training: Training, session: Session) -> dict[str, Any]:
    """Evaluate the best checkpoint, write results.json, the figures and the page, and print what was found.

    The numbers come first: an exception in a figure or in the page leaves out that one, with a printed line and its
    traceback in the run's folder. The page is written last, and a run without it is concluded again by the same command.

    Returns:
        The content of results.json, and under "left_out" the names of what failed, if anything did.

    Raises:
        TrainingError: the disk is full.
    """
    workdir, console, step = session.workdir, session.console, session.progress.step
    best = measure(training, session.checkpoints, "best")
    epochs = {"epochs": step / training.steps_per_epoch, "best_epoch": best.step / training.steps_per_epoch}
    shown = best.training
    if not processes.is_first():
        return best.facts
    # From here on the first process is alone: it cannot use arrays on devices of other processes.
    params = jax.device_put(jax.device_get(model_params(best.state.params)), jax.local_devices()[0])
    results: dict[str, Any] = {"step": step} | epochs | best.facts
    print_measured(shown, best, "best", console)
    (workdir / workdir_lib.PAGE).unlink(missing_ok=True)
    disk.write(workdir / workdir_lib.RESULTS, json.dumps(results, indent=2) + "\n")
    trained = trained_run(training, shown, params, best.step)
    failed: dict[str, Exception] = {}
    paths: list[Path] = []
    with left_out.guarded("figures", failed):  # a Matplotlib that cannot be imported, for example
        paths = _draw(shown, session, trained, failed)
    # The page makes the run complete, and the event files of a complete run are not opened again.
    session.writer.close({name: value for name, value in results.items() if name.startswith("test/")})
    with left_out.guarded(workdir_lib.PAGE, failed):
        from vae_jax.artifacts.report import write_report

        write_report(trained, shown.dataset, workdir, workdir / workdir_lib.PAGE, results)
    left_out.write_failed(failed, workdir, console.line)
    session.writer.tracking.conclude(results)
    session.tell()
    _print_files(training, session, [path for path in (*paths, workdir / workdir_lib.PAGE) if path.is_file()])
    return results | ({"left_out": list(failed)} if failed else {})


def _draw(training: Training, session: Session, trained: Run, failed: dict[str, Exception]) -> list[Path]:
    """Write the quick figures; print a line for each that the run's kind of model lacks."""
    # Here, not above: matplotlib and scipy are a third of the start-up time.
    from vae_jax.artifacts import draw, figures

    folder, paths = session.workdir / "figures", []
    folder.mkdir(exist_ok=True)
    source = draw.make_source(trained, training.dataset, session.workdir, progress=session.console.line)
    for drawn in draw.write_figures(source, figures.QUICK, folder):
        if drawn.lacks:
            session.console.line(f"left out: {drawn.name}: needs {drawn.lacks}")
        if drawn.error is not None:
            failed[drawn.name] = drawn.error
        paths += drawn.paths
        for path in drawn.paths:
            if path.suffix == ".png":
                session.writer.image(session.progress.step, path)
    return paths


def extend_command(training: Training, step: int, workdir: Path) -> str:
    """Return the command line that trains a complete run further."""
    epochs = step // training.steps_per_epoch
    more = "early_stopping=0" if epochs < training.config.num_epochs else f"num_epochs={2 * epochs}"
    return f"{workdir_lib.resume_command(workdir)} --config.{more}"


def _print_files(training: Training, session: Session, paths: list[Path]) -> None:
    console, workdir = session.console, session.workdir
    figures = " ".join(f"figures/{path.name}" for path in paths if path.parent != workdir)
    console.line(f"\nwritten to {workdir}:")
    console.line(f"  config.json metrics.jsonl results.json checkpoints/ {figures}")
    console.line("next, for example:")
    console.line(f"  {extend_command(training, session.progress.step, workdir)}")
    console.line(f"  vae-jax visualize --workdir={shlex.quote(str(workdir))}")
    console.line(f"  in Python: run = vae_jax.load_run({json.dumps(str(workdir))})")
    done = f"done in {format_seconds(console.seconds)}"
    page = workdir / workdir_lib.PAGE
    console.line(f"{done}; open the page in a browser: {page}" if page in paths else done)
