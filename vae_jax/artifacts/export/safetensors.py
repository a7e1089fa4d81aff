"""The weights by name, and a card that describes them."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.artifacts.export.file import Artefact, extra
from vae_jax.errors import InputError
from vae_jax.models import parameter_table
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.pair import PAIR, first_folder
from vae_jax.runs.run import Run

PACKAGES = ("vae_jax", "jax", "flax", "numpy", "safetensors")
LOAD = (
    "from safetensors.numpy import load_file",
    "from flax.traverse_util import unflatten_dict",
    "params = {'likelihood': {}, 'prior': {}, 'quantizer': {}} | unflatten_dict(load_file('model.safetensors'), sep='/')",
)
"""Lines that make `params`, as the functions of a model take it; most likelihoods, priors and quantizers have no arrays."""


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make model.safetensors, with every array under a name such as `encoder/Dense_0/kernel`, and card.json.

    The arrays are the checkpoint's, bit for bit: float32, also if the run computes in another dtype. The card has the numbers
    of results.json, if there is one.

    Raises:
        InputError: the run is a pair, whose model no single config makes.
    """
    if PAIR in run.model.traits:
        programs = ["--format=onnx"] * (run.model.layers is not None) + ["--format=stablehlo"]
        raise InputError(
            "model=density: the arrays are those of two runs, and the card has the config of one; choices: "
            f"{', '.join(programs)}, or the first run, --workdir={first_folder(run)}"
        )
    with extra("safetensors"):
        import safetensors.numpy
    arrays, card = named(run), _card(run, workdir)
    names = ("what", "condition", "classes", "config", "image_shape", "levels", "step", "versions", "units")
    essential = {name: card[name] for name in names if name in card}
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in essential.items()}
    return [
        Artefact(
            "model.safetensors",
            safetensors.numpy.save(arrays, metadata),
            f"import safetensors.numpy; arrays = safetensors.numpy.load_file(PATH)  # {len(arrays)} by name",
        ),
        Artefact("card.json", f"{json.dumps(card, indent=2)}\n".encode(), "import json; card = json.load(open(PATH))"),
    ]


def named(run: Run) -> dict[str, np.ndarray]:
    """Return every array of the parameters, by the name that `--config.log.parameters` prints."""
    names = [name for name, _, _ in parameter_table(run.params)]
    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves(run.params)]
    return dict(zip(names, leaves, strict=True))


def _card(run: Run, workdir: Path) -> dict[str, Any]:
    config = run.config
    return {
        "what": f"{config.model}, {config.network} networks, {config.likelihood} likelihood, trained on {config.dataset}"
        + ", conditional: p(x given the class)" * (run.model.given is not None),
        **({"condition": config.condition, "classes": list(run.class_names)} if run.class_names else {}),
        # Without the folders of the machine that trained: the card goes to others.
        "config": {name: value for name, value in config.to_dict().items() if not name.endswith("_dir")},
        "image_shape": list(run.shape),
        **({"levels": run.spec.levels} if run.spec.levels else {}),
        "step": run.step,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "units": {
            "images": "[N, H, W, C], pixels in [0, 1]",
            "logvar": "natural logarithm of the variance",
            "metrics": "nats per image; mse per pixel and channel",
        },
        "metrics": _metrics(run, workdir),
        "arrays": {name: f"{array.dtype} {list(array.shape)}" for name, array in named(run).items()},
        "load": LOAD,
    }


def _metrics(run: Run, workdir: Path) -> dict[str, Any]:
    """Return the numbers that results.json has for this checkpoint, and the kind of pixels they were measured on.

    Return nothing if its numbers belong to another checkpoint of the run."""
    try:
        results = json.loads((workdir / workdir_lib.RESULTS).read_text(encoding="utf-8"))
        measured = round(results["best_epoch"] * results["step"] / results["epochs"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return {}
    if measured != run.step:
        return {}
    return {name: value for name, value in results.items() if "/" in name or name in ("pixels", "bounds_on")}
