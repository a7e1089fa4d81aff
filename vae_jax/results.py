"""The end of a run: its best checkpoint evaluated on every split, results.json, figures, and where to look further."""

import json
import math
import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from vae_jax import latents
from vae_jax import workdir as workdir_lib
from vae_jax.checkpoint import Checkpoints
from vae_jax.config import flatten
from vae_jax.console import Console
from vae_jax.evaluate import summarize
from vae_jax.models import num_parameters
from vae_jax.objectives import make_corrupt
from vae_jax.prepare import Prepared
from vae_jax.run import Run, saved
from vae_jax.writer import Writer, history, read_metrics

SPLITS = ("train", "val", "test")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def read(workdir: Path, step: int) -> dict[str, Any] | None:
    """results.json of a run that was concluded at this step, or None."""
    try:
        values = json.loads((workdir / workdir_lib.RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if values.get("step") == step else None


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
    restored = checkpoints.restore(saved(run.state), "best")
    assert restored is not None
    state = restored.state._replace(hparams=run.state.hparams)
    table = {}
    for name in SPLITS:
        per_image = run.evaluate(state, run.key_eval, getattr(run.dataset, name))
        table[name] = summarize(run.config, run.model, per_image, math.prod(run.shape))
    best_epoch = restored.step / run.steps_per_epoch
    results: dict[str, Any] = {
        "step": step,
        "epochs": step / run.steps_per_epoch,
        "best_epoch": best_epoch,
        "pixels": run.pixels,
        "likelihood": run.config.likelihood,
        "likelihood_params": jax.tree.map(float, state.params["likelihood"]),
        "num_parameters": num_parameters(state.params),
        "num_images": {name: len(getattr(run.dataset, name).images) for name in SPLITS},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "device": jax.devices()[0].device_kind,
        **{f"{name}/{metric}": value for name in SPLITS for metric, value in table[name].items()},
    }
    writer.hyperparameters(flatten(run.config), {k: v for k, v in results.items() if k.startswith("test/")})
    title = f"best checkpoint, epoch {best_epoch:g} ({run.pixels} pixels; nats per image, mse per element)"
    console.table(title, list(SPLITS), [(metric, [table[s][metric] for s in SPLITS]) for metric in table["test"]])
    figures = _draw(run, Run(run.config, run.model, state.params, run.shape, restored.step), step, writer, workdir)
    workdir_lib.write(workdir / workdir_lib.RESULTS, json.dumps(results, indent=2) + "\n")
    _point(run, workdir, figures, console)
    return results


def _draw(run: Prepared, trained: Run, step: int, writer: Writer, workdir: Path) -> list[Path]:
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax import figures

    source = latents.Source(
        encode=trained.encode,
        reconstruct=trained.reconstruct,
        sample=None if run.model.sample_prior is None else trained.sample,
        test=run.dataset.test,
        class_names=run.dataset.class_names,
        history=history(read_metrics(workdir)),
        seed=run.config.seed,
        corrupt=None if make_corrupt(run.config) is None else trained.corrupt,
    )
    folder = workdir / "figures"
    folder.mkdir(exist_ok=True)
    paths = []
    for name, figure in latents.draw(source, figures.FIGURES).items():
        paths.append(folder / f"{name}.png")
        workdir_lib.write(paths[-1], figures.png_bytes(figure))
        writer.images(step, name, figures.rgb(figure))
    return paths


def _point(run: Prepared, workdir: Path, figures: list[Path], console: Console) -> None:
    console.line(f"\nwritten to {workdir}:")
    console.line("  config.json  metrics.jsonl  results.json  checkpoints/")
    console.line("  " + "  ".join(f"figures/{path.name}" for path in figures))
    console.line("look further:")
    console.line(f"  {workdir_lib.continue_command(workdir)} --config.num_epochs={2 * run.config.num_epochs}")
    console.line(f"  pip install tensorboard && tensorboard --logdir={shlex.quote(str(workdir))}")
    console.line(f"  python -i -c 'import vae_jax; run = vae_jax.load_run({json.dumps(str(workdir))})'")
