"""The end of a run: its best checkpoint evaluated on every split, results.json, figures, and where to look further."""

import json
import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from vae_jax.artifacts import draw, report
from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.evaluation import health
from vae_jax.models import num_parameters
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import saved
from vae_jax.runs.run import Run, load_run
from vae_jax.runs.writer import Writer
from vae_jax.system import disk, processes
from vae_jax.system.console import Console
from vae_jax.training.prepare import Prepared, prepare
from vae_jax.types import TrainState

SPLITS = ("train", "val", "test")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def read(workdir: Path, step: int) -> dict[str, Any] | None:
    """results.json of a run that was concluded at this step, or None."""
    values = workdir_lib.read_results(workdir)
    return values if values.get("step") == step else None


class Measured(NamedTuple):
    """A checkpoint, evaluated on every split."""

    state: TrainState
    step: int
    table: dict[str, dict[str, float]]
    """Split -> metric -> value."""
    facts: dict[str, Any]
    """What the numbers are of, and the numbers as `test/elbo`, for a JSON file."""
    lines: list[str]
    """What there is to say of the latent space, of a model with a prior."""


def measure(run: Prepared, checkpoints: Checkpoints, which: Literal["best", "latest"]) -> Measured:
    """Evaluate the best or the latest checkpoint on train, val and test.

    Raises:
        InputError: there is no checkpoint.
    """
    restored = checkpoints.restore(saved(run.state), which)
    if restored is None:
        raise InputError("the run has no checkpoint yet")
    state = restored.state._replace(hparams=run.state.hparams)
    table, elbos, of_test = {}, {}, None
    for name in SPLITS:
        of_test = run.evaluate(state, run.key_eval, getattr(run.dataset, name))  # in the end; only one is kept
        table[name] = of_test.metrics
        elbos[name] = of_test.terms.get("elbo")
    facts: dict[str, Any] = {
        "pixels": run.pixels,
        "likelihood": run.config.likelihood,
        "likelihood_params": jax.tree.map(float, state.params["likelihood"]),
        "num_parameters": num_parameters(state.params),
        "num_images": {name: len(getattr(run.dataset, name).images) for name in SPLITS},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "device": jax.devices()[0].device_kind,
        **{f"{name}/{metric}": value for name in SPLITS for metric, value in table[name].items()},
    }
    if of_test is None or of_test.aggregate is None:
        return Measured(state, restored.step, table, facts, [])
    latents = health.summarize_latents(of_test.means, of_test.aggregate)
    gap = health.difference(elbos["train"], elbos["test"])
    return Measured(state, restored.step, table, facts | health.facts(latents, gap), health.messages(latents, gap))


def tell(run: Prepared, measured: Measured, which: str, console: Console) -> None:
    """Print the table of splits and metrics, and what there is to say of the latent space."""
    title = f"{which} checkpoint, epoch {measured.step / run.steps_per_epoch:g} "
    title += f"({run.pixels} pixels; nats per image, mse per element)"
    table = measured.table
    console.table(title, list(SPLITS), [(metric, [table[s][metric] for s in SPLITS]) for metric in table["test"]])
    for line in measured.lines:
        console.line(line)


def conclude(
    run: Prepared, step: int, checkpoints: Checkpoints, writer: Writer, workdir: Path, console: Console
) -> dict[str, Any]:
    """Evaluate the best checkpoint on train, val and test; write results.json and the figures; tell what was found.

    Args:
        run: what the run computes with.
        step: the last step of training.
        checkpoints: the run's.
        writer: gets the figures and the test metrics.
        workdir: gets the files.
        console: gets the table and the list of files.
    """
    best = measure(run, checkpoints, "best")
    if not processes.is_first():
        return best.facts
    # From here on the first process is alone: arrays on devices of other processes are of no use to it.
    params = jax.device_put(jax.device_get(best.state.params), jax.local_devices()[0])
    epochs = {"epochs": step / run.steps_per_epoch, "best_epoch": best.step / run.steps_per_epoch}
    results: dict[str, Any] = {"step": step} | epochs | best.facts
    writer.hyperparameters(flatten(run.config), {k: v for k, v in results.items() if k.startswith("test/")})
    tell(run, best, "best", console)
    trained = Run(run.config, run.model, params, run.shape, best.step)
    figures = _draw(run, trained, step, writer, workdir)
    report.write_report(trained, run.dataset, workdir, workdir / report.FILE, results)
    writer.close()  # results.json says that the run is complete: TensorBoard's files are not opened again
    disk.write(workdir / workdir_lib.RESULTS, json.dumps(results, indent=2) + "\n")
    _point(run, step, workdir, figures, console)
    return results


def further(run: Prepared, step: int, workdir: Path) -> str:
    """The command that trains a run further which is complete at this step."""
    epochs = step // run.steps_per_epoch
    more = "early_stopping=0" if epochs < run.config.num_epochs else f"num_epochs={2 * epochs}"
    return f"{workdir_lib.continue_command(workdir)} --config.{more}"


def _draw(run: Prepared, trained: Run, step: int, writer: Writer, workdir: Path) -> list[Path]:
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    folder = workdir / "figures"
    folder.mkdir(exist_ok=True)
    paths = []
    for drawn in draw.write_figures(draw.make_source(trained, run.dataset, workdir), figures.QUICK, folder):
        if drawn.needs:
            continue
        paths += drawn.paths
        for path in drawn.paths:
            if path.suffix == ".png":
                writer.image(step, path)
    return paths


def _point(run: Prepared, step: int, workdir: Path, figures: list[Path], console: Console) -> None:
    console.line(f"\nwritten to {workdir}:")
    console.line("  config.json  metrics.jsonl  results.json  checkpoints/")
    console.line("  " + "  ".join(f"figures/{path.name}" for path in figures))
    console.line(f"  {report.FILE}: all of it, and the latent space to move in; open it in a browser")
    console.line("look further:")
    console.line(f"  {further(run, step, workdir)}")
    console.line(f"  pip install tensorboard && tensorboard --logdir={shlex.quote(str(workdir))}")
    console.line(f"  python -i -c 'import vae_jax; run = vae_jax.load_run({json.dumps(str(workdir))})'")


def evaluate_run(workdir: Path, which: Literal["best", "latest"]) -> tuple[Prepared, Measured, Path]:
    """Evaluate a checkpoint of a run that lies on disk; the numbers are written to evaluation_WHICH.json, the path.

    Raises:
        InputError: not a run, or one without an intact checkpoint; said before any data are read.
    """
    run = prepare(load_run(workdir, which).config)
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        measured = measure(run, checkpoints, which)
    facts = {"which": which, "step": measured.step, "epoch": measured.step / run.steps_per_epoch} | measured.facts
    path = disk.make_folder("--workdir", workdir) / f"evaluation_{which}.json"
    disk.write(path, json.dumps(facts, indent=2) + "\n")
    return run, measured, path


def at_latest(workdir: Path, concluded: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a concluded run's last checkpoint, `which` added: as they are if the best is the last, or were
    written before, else evaluated.

    Args:
        workdir: the run's.
        concluded: the content of its results.json, whose numbers are the best checkpoint's.
    """
    if concluded["best_epoch"] == concluded["epochs"]:
        return concluded | {"which": "latest"}
    try:
        values = json.loads((workdir / "evaluation_latest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = {}
    if values.get("step") != concluded["step"]:
        values = {"which": "latest", **evaluate_run(workdir, "latest")[1].facts}
    return concluded | values
