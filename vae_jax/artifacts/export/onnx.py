"""Programs of ONNX's operators, for runtimes that know nothing of JAX, built from the plain list of layers."""

import json
from pathlib import Path

from vae_jax.artifacts.export.file import Artefact, sizes
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.layers import Layer, list_layers
from vae_jax.artifacts.export.operators import chain
from vae_jax.runs.run import Run

LOAD = "import onnxruntime; {name} = onnxruntime.InferenceSession(PATH)  # {call}: {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """encoder.onnx and decoder.onnx, of two stochastic layers also prior.onnx; any number N of images.

    encoder: x [N, H, W, C] in [0, 1] (a denoiser: any) -> mean [N, Z], and of a model with a prior logvar [N, Z].
    decoder: z [N, Z] -> pixel_mean [N, H, W, C] in [0, 1].
    prior: noise [N, U], a draw from N(0, I) -> mean [N, Z] and logvar [N, Z] of z.

    All is float32, also where the run computes in bfloat16: then the two differ by the rounding of bfloat16.

    Args:
        run: the trained model.
        workdir: not looked at.

    Raises:
        InputError: the package is not installed.
    """
    del workdir
    layers, size = list_layers(run), (run.config.latent_dim,)
    outputs = ["mean"] if run.model.log_prior is None else ["mean", "logvar"]
    made = [
        _artefact(run, "encoder", layers.encoder, ("x", run.shape), outputs, size),
        _artefact(run, "decoder", layers.decoder, ("z", size), ["pixel_mean"], run.shape),
    ]
    if layers.prior:
        flat = [*layers.prior, Layer("reshape", (2 * size[0],))]
        made.append(_artefact(run, "prior", flat, ("noise", (run.config.upper_latent_dim,)), ["mean", "logvar"], size))
    return made


def _artefact(
    run: Run,
    name: str,
    layers: list[Layer],
    given: tuple[str, tuple[int, ...]],
    outputs: list[str],
    shape: tuple[int, ...],
) -> Artefact:
    """The file of one list of layers; its output is split into so many `outputs`, each of this shape."""
    graph = Graph()
    found = chain(graph, layers, given[0])
    parts = graph.split(found, len(outputs)) if len(outputs) > 1 else [found]
    named = {output: (part, shape) for output, part in zip(outputs, parts, strict=True)}
    facts = {
        "model": run.config.model,
        "likelihood": run.config.likelihood,
        "dataset": run.config.dataset,
        "image_shape": json.dumps(run.shape),
        "step": str(run.step),
    }
    content = graph.model(name, {given[0]: given[1]}, named, facts)
    call = f"[{', '.join(outputs)}] = {name}.run(None, {{'{given[0]}': {given[0]}}})"
    what = f"float32 {sizes(given[1])} -> {sizes(shape)}"
    return Artefact(f"{name}.onnx", content, LOAD.format(name=name, call=call, what=what))
