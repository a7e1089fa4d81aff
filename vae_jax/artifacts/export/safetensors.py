"""The weights by name, and a card that describes them."""

import json
from pathlib import Path
from typing import Any

from vae_jax.artifacts import about
from vae_jax.artifacts.export.file import Artefact, extra
from vae_jax.errors import InputError
from vae_jax.runs.pair import PAIR, first_folder
from vae_jax.runs.run import Run
from vae_jax.system.versions import versions

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
    arrays, card = about.named(run.params), _card(run, workdir)
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


def _card(run: Run, workdir: Path) -> dict[str, Any]:
    return {
        "what": about.sentence(run),
        **({"condition": run.config.condition, "classes": list(run.class_names)} if run.class_names else {}),
        "config": about.portable(run.config),
        "image_shape": list(run.shape),
        **({"levels": run.spec.levels} if run.spec.levels else {}),
        "step": run.step,
        "versions": versions(about.PACKAGES),
        "units": {
            "images": "[N, H, W, C], pixels in [0, 1]",
            "logvar": "natural logarithm of the variance",
            "metrics": "nats per image; mse per pixel and channel",
        },
        "metrics": about.metrics(run, workdir),
        "arrays": {name: f"{array.dtype} {list(array.shape)}" for name, array in about.named(run.params).items()},
        "load": LOAD,
    }
